# SPDX-License-Identifier: Apache-2.0

"""Templates: what they can do, and that a stranger's can do no harm."""

import resource
import time

import fixtures
import testtools

from ironic_ext import config_formats
from ironic_ext.config_formats import sandbox
from ironic_ext.config_formats import templates

FACTS = {'node': {
    'name': 'server1', 'uuid': '1be26c0b', 'extra': {'rack': 'b7',
                                                     'items': [1, 2]},
    'ports': [{'mac': '52:54:00:00:00:01'}, {'mac': '52:54:00:00:00:02'}]}}
#: Seconds of CPU that none of the tests may need.
_PATIENCE = 20


def render(text):
    """Return what one file becomes."""
    return templates.render({'file': text}, FACTS)['file']


def _peak_memory():
    """Return the most that this process ever had, in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class TemplateTestCase(testtools.TestCase):

    def refusal(self, text):
        """Return (line, reason) of the refusal."""
        error = self.assertRaises(config_formats.ConfigError, render, text)
        return error.findings[0].line, error.findings[0].reason


class RenderTestCase(TemplateTestCase):

    def test_a_nodes_facts_are_filled_in(self):
        for text, result in (
                ('host={{ node.name }}\n', 'host=server1\n'),
                ('{{ node.extra.rack|upper }}', 'B7'),
                ('{{ node.ports[1].mac }}', '52:54:00:00:00:02'),
                ('{% for port in node.ports %}{{ loop.index }}{% if not '
                 'loop.last %},{% endif %}{% endfor %}', '1,2'),
                ("{{ node.ports|map(attribute='mac')|join(' ') }}",
                 '52:54:00:00:00:01 52:54:00:00:00:02'),
                ('{{ node.extra|tojson }}',
                 '{"rack": "b7", "items": [1, 2]}'),
                ('{{ ("<&>"|tojson) }}', '"<&>"'),
                ('{{ "a"|b64encode }}', 'YQ=='),
                ('{{ node.mac|default("none") }}', 'none'),
                ('{{ "a.b"|replace(".", "-") }}', 'a-b'),
                ('{{ node.name[:3] ~ (1 + 2 * 3) }}', 'ser7'),
                ('{% set ns = namespace(n=0) %}{% for i in range(4) %}'
                 '{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}', '6'),
                ('{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(1) }}', '<1>'),
                ('{% for k, v in node.extra|dictsort %}{{ k }}{% endfor %}',
                 'itemsrack'),
                ('{% raw %}{{ x }}{% endraw %}', '{{ x }}'),
                ('a\n{{ "<b>" }}\n', 'a\n<b>\n')):
            self.assertEqual(result, render(text), text)

    def test_what_is_not_there_is_an_error_with_its_line(self):
        self.assertEqual(
            (2, "the template does not work: 'dict object' has no attribute "
                "'nmae'"), self.refusal('a\n{{ node.nmae }}'))
        self.assertEqual(3, self.refusal('a\n\n{{ nodes }}')[0])
        self.assertEqual(4, self.refusal(
            '{% for p in node.ports %}\n\n\n{{ p.x }}{% endfor %}')[0])

    def test_links_that_nobody_can_make_are_said_with_their_option(self):
        self.assertIn("'boot' is undefined: set [ext_server]public_url",
                      self.refusal("curl '{{ boot.complete_url }}'")[1])

    def test_bad_syntax_is_found_without_facts(self):
        error = self.assertRaises(
            config_formats.ConfigError, templates.check,
            {'a': 'x\n{% if %}', 'b': '{{ node.nmae }}', 'c': '{{'})
        self.assertEqual([('a', 2), ('c', 1)], [
            (found.file, found.line) for found in error.findings])

    def test_a_failure_does_not_quote_values(self):
        facts = {'secret': 'hunter2'}
        for text in ('{{ secret + 1 }}', '{{ secret.x }}', '{{ -secret }}',
                     '{{ secret|int + secret }}', '{{ {}[secret] }}',
                     '{{ secret // 2 }}', '{{ secret() }}'):
            error = self.assertRaises(config_formats.ConfigError,
                                      templates.render, {'a': text}, facts)
            self.assertNotIn('hunter2', str(error), text)

    def test_facts_cannot_be_changed_for_the_next_file(self):
        for text in ('{{ node.update({"a": 1}) }}', '{{ node.clear() }}',
                     '{{ node.ports.append(1) }}', '{{ node.pop("a") }}',
                     '{% set node.name = "x" %}'):
            self.refusal(text)
        self.assertEqual('server1', FACTS['node']['name'])


class HostileTemplateTestCase(TemplateTestCase):

    def setUp(self):
        super().setUp()
        # As the real one in every respect, but sooner at its end.
        self.useFixture(fixtures.MonkeyPatch(
            'ironic_ext.config_formats.templates.BUDGET', 1 << 17))
        self._started = time.process_time()

    def tearDown(self):
        super().tearDown()
        self.assertGreater(_PATIENCE,
                           time.process_time() - self._started)

    def test_no_attribute_leads_out(self):
        for text in (
                "''.__class__", 'node.__class__.__mro__',
                "node['__class__']", 'node.ports.__class__',
                "''|attr('__class__')", 'self.__init__', 'range.__init__',
                'namespace.__init__.__globals__', "''.join", 'node.keys.'
                '__self__', "''.encode()", '(1).__class__',
                '(1).to_bytes(9)', "''.format()", "''.format_map({})",
                "'{0.__class__}'.format(1)", 'loop.__class__',
                "node|map('attr', '__class__')|list",
                "node.ports|map(attribute='__class__')|first|length",
                'namespace().__class__', 'namespace()._x', 'cycler', 'dict',
                'joiner', 'lipsum', 'environment', 'context', 'caller',
                'node.items.__call__', '{}.__class__.__base__'):
            self.assertEqual(3, self.refusal(
                f'a\nb\n{{{{ {text} }}}}')[0], text)

    def test_there_is_no_way_to_other_files(self):
        for text in ("include 'x'", "import 'x' as y", "extends 'x'",
                     "from 'x' import y", 'block a %}{% endblock'):
            self.assertIn('every file stands alone',
                          self.refusal(f'{{% {text} %}}')[1])

    def test_loops_end(self):
        loop = '{% for i in range(99999) %}'
        for text in (
                loop * 2 + '{% endfor %}' * 2,
                (loop + '{% set x = 1 %}{% endfor %}') * 9,
                '{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}'
                '{% endif %}{% endmacro %}{{ m(60) }}',
                '{% macro m() %}{{ m(varargs, varargs) }}{% endmacro %}'
                '{{ m(1) }}',
                '{% for i in range(9) recursive %}{{ loop(range(9)) }}'
                '{% endfor %}',
                '{{ range(99999)|map("string")|map("upper")|join'
                '(node.name * 2) }}'):
            self.refusal(text)

    def test_text_does_not_grow_without_end(self):
        before = _peak_memory()
        for body in ('{% set x = x ~ x %}', '{% set x = x + x %}',
                     '{% set x %}{{ x }}{{ x }}{% endset %}',
                     '{% set x = [x, x] %}', '{% set x = (x, x) %}',
                     '{% set x = {"a": x, "b": x} %}',
                     '{% set x = x|replace("a", x) %}',
                     '{% set x = [x, x]|join(x) %}',
                     '{% set x = x|string ~ x|tojson %}'):
            text = '{% set x = "aaaaaaaa" %}' + body * 30 + '{{ x }}'
            self.assertIn('costs too much', self.refusal(text)[1], body)
        for text in ("'a' * 10000000000", "'%1000000000d' % 1",
                     "'{:1000000000}'.format(1)", "'a'.ljust(1000000000)",
                     "'a'|center(1000000000)", "'a'|indent(1000000000)",
                     "'%1000000000d'|format(1)", '[1] * 1000000000'):
            self.refusal(f'{{{{ {text} }}}}')
        # Far less than one such text.
        self.assertGreater(300 << 10, _peak_memory() - before)

    def test_lists_are_paid_for_as_they_are_made(self):
        before = _peak_memory()
        for text in (
                ''.join(f'{{% set a{number} = range(99999)|list %}}'
                        for number in range(200)),
                '{% set a = "' + 'x' * 60000 + '" %}' + ''.join(
                    f'{{% set a{number} = a[1:] %}}'
                    for number in range(999)),
                ''.join(f'{{% set a{number} = range(9999)|map("string")|list'
                        ' %}' for number in range(200))):
            self.assertIn('costs too much', self.refusal(text)[1], text[:60])
        self.assertGreater(100 << 10, _peak_memory() - before)

    def test_what_a_filter_looks_at_is_paid_for(self):
        many = '{% for x in range(500) %}'
        for text in (
                many + '{{ range(99999)|select("odd")|list|length }}',
                many + '{{ range(99999)|select("mapping")|first is defined }}',
                many + '{{ range(99999)|max }}',
                many + '{% for y in range(99999) if false %}{% endfor %}',
                '{% set a = range(40000)|list %}' + many
                + '{% if -1 in a %}{% endif %}',
                '{% set a = range(40000)|list %}' + many
                + '{% if a == a %}{% endif %}',
                '{% set a = range(40000)|list %}' + many
                + '{{ range(9)|select("in", a)|list }}',
                many + '{{ [1]|select("in", range(99999))|list }}'):
            began = time.thread_time()
            self.assertIn('costs too much', self.refusal(
                text + '{% endfor %}' * ('for x' in text))[1], text)
            self.assertGreater(3, time.thread_time() - began, text)

    def test_time_ends_what_has_too_low_a_price(self):
        environment = sandbox.Environment(1 << 60, seconds=0.2)
        template = environment.template(
            '{% for x in range(99999) %}{% for y in range(99999) %}'
            '{% endfor %}{% endfor %}', 'x')
        self.assertRaises(sandbox.BudgetError, template.render)

    def test_everyday_comparisons_and_slices_work(self):
        self.assertEqual('yes b [2, 3] 3', render(
            '{% if "a" in ["a", "b"] and node.name != "x" and 1 < 2 < 3 %}'
            'yes{% endif %} {{ "abc"[1:2] }} {{ [1, 2, 3][1:] }} '
            '{{ range(9)|select("odd")|list|length - 1 }}'))

    def test_numbers_do_not_grow_without_end(self):
        for text in ('{{ 10 ** 10 ** 10 }}', '{{ ' + '9' * 5000 + ' }}',
                     '{% set x = 3 %}' + '{% set x = x * x %}' * 60):
            self.refusal(text)

    def test_complicated_templates_are_refused(self):
        for text in ('{{ ' + '(' * 1500 + '1' + ')' * 1500 + ' }}',
                     '{{ ' + '1+' * 3000 + '1 }}',
                     '{% for a in [1] %}' * 30 + '{% endfor %}' * 30,
                     '{{ ' + '-' * 1500 + '1 }}',
                     '{{ ' + '[' * 1500 + ']' * 1500 + ' }}'):
            self.assertIn('too complicated', self.refusal(text)[1])

    def test_templates_are_bounded_together(self):
        half = {'a': 'x' * (templates.MAX_SOURCE // 2)}
        templates.render(half, {})
        self.assertRaises(config_formats.ConfigError, templates.render,
                          {**half, 'b': half['a'], 'c': 'x'}, {})

    def test_files_share_one_budget(self):
        loop = '{% for i in range(2000) %}{% endfor %}'
        templates.render({'a': loop}, {})
        self.assertRaises(config_formats.ConfigError, templates.render,
                          {name: loop for name in 'abc'}, {})

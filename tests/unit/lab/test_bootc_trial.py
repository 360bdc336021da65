# SPDX-License-Identifier: Apache-2.0

"""What a trial of an operator's image asks for, before there is a machine."""

import contextlib
import io
import json
import pathlib
import tempfile

import testtools

from tests.bootc_e2e import trial
from tests.bootc_e2e import trial_images

_IMAGE = 'registry.example.com/os:1'


class ArgumentsTestCase(testtools.TestCase):

    def test_the_console_is_added_to_the_nodes_options(self):
        wanted = trial.options_of(trial.parse([
            _IMAGE, '--tpm', '--options', '{"kargs": "a b"}']))
        self.assertEqual(['a', 'b', 'console=ttyS0'], wanted['kargs'])
        self.assertEqual('tpm2-luks', wanted['block_setup'])

    def test_what_cannot_be_is_told_before_anything_is_built(self):
        for arguments, word in (
                ([_IMAGE, '--options', '{"filesytem": 1}'], 'filesystem'),
                ([_IMAGE, '--options', '{'], 'line 1'),
                (['os:1'], 'names no registry'),
                ([_IMAGE, '--credentials', '/none'], '/none')):
            told = io.StringIO()
            with contextlib.redirect_stderr(told):
                self.assertEqual(2, trial.main(arguments))
            self.assertIn(word, told.getvalue())


class ImagesTestCase(testtools.TestCase):

    def test_an_operators_registry_is_believed_as_the_operator_says(self):
        folder = pathlib.Path(self.enterContext(
            tempfile.TemporaryDirectory()))
        (folder / 'login').write_text('me:pass-5wQ')
        (folder / 'ca.pem').write_text('PEM')
        images = trial_images.Images(trial.parse([
            _IMAGE, '--credentials', str(folder / 'login'), '--ca',
            str(folder / 'ca.pem'), '--insecure']), private=True)
        self.assertFalse(images.isolated)
        self.assertEqual(f'oci://{_IMAGE}', images.name)
        self.assertEqual({'bootc_ca': 'PEM', 'bootc_insecure': 'true'},
                         images.driver_info)
        self.assertEqual({'registry.example.com'},
                         {*json.loads(images.secret)['auths']})

    def test_a_registry_on_this_machine_is_walled_off(self):
        self.assertTrue(trial_images.Images(trial.parse(
            ['127.0.0.1:5000/os:1']), private=True).isolated)

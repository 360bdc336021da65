# SPDX-License-Identifier: Apache-2.0

"""The main job without a file: the machine boots from a stream."""

import json
import pathlib
import sqlite3
import urllib.error
import urllib.request

from lab import boot_iso
from lab import hypervisor
from lab import process
from tests.e2e import base


def status(url: str) -> int:
    """Return the status code of an answer."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as exc:
        exc.close()
        return exc.code


class StreamTestCase(base.EndToEndTestCase):

    media_servers = 2

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(self._restore_servers)

    def _restore_servers(self) -> None:
        for server in self.lab.media_servers:
            if server.pid is None:
                server.start()
        self.lab.balancer.switch(self.lab.media_servers[0])

    def url(self) -> str:
        """Return the URL that the BMC has."""
        url = self.lab.inserted_medium(self.node)
        self.assertTrue(url and url.startswith(self.lab.balancer.url), url)
        return url

    def urls(self) -> list[str]:
        """Return the URL of the node's medium on each replica."""
        path = self.url().removeprefix(self.lab.balancer.url)
        return [server.url + path for server in self.lab.media_servers]

    def shown(self) -> dict:
        """Return what the operator is shown of the node's medium."""
        return json.loads(self.lab.ironic.cli(
            'node', 'boot', 'media', 'show', self.node.name, '-f', 'json'))

    def live_media(self) -> int:
        """Return how many media are on record and not revoked."""
        path = self.lab.directory / 'media/media.sqlite'
        with sqlite3.connect(f'file:{path}?mode=ro', uri=True) as database:
            count, = database.execute(
                'SELECT COUNT(*) FROM ext_medium WHERE revoked_at IS NULL'
            ).fetchone()
        database.close()
        return count

    def assert_nothing_left(self) -> None:
        super().assert_nothing_left()
        self.assertEqual(0, self.live_media())

    def assert_gone(self, urls: list[str]) -> None:
        """No replica serves these URLs any more."""
        for url in urls:
            process.await_condition(lambda: status(url) == 410,
                                    'a revoked URL to be refused',
                                    timeout=60, interval=0.05)

    def assert_not_in_logs(self, secret: str) -> None:
        """Nothing of ours wrote it down."""
        files = [self.lab.ironic.ironic_log, self.lab.ironic.log_path,
                 *(server.log_path for server in self.lab.media_servers),
                 self.lab.directory / 'media/media.sqlite']
        for path in files:
            self.assertNotIn(secret.encode(), pathlib.Path(path).read_bytes(),
                             path)

    def _await_read(self, percent: float) -> None:
        process.await_condition(
            lambda: (self.shown()['read'] or 0) >= percent,
            f'{percent} % of the medium to be read', timeout=180)


class DeployTests:
    """The same deploy, whatever the firmware."""

    def test_config_reaches_the_machine_and_undeploy_ends_the_stream(self):
        self.configure()
        self.deploy(configdrive=base.CONFIG_DRIVE)
        report: boot_iso.Report = self.node.await_report()
        self.assertEqual(self.firmware.value, report.firmware)
        self.assert_config_arrived(report)
        meta_data = json.loads(report.files[base.META_DATA])
        self.assertEqual(base.HOSTNAME, meta_data['hostname'])
        # No copy of the image anywhere.
        self.assertEqual([], self.lab.published())

        self._await_read(100)
        shown = self.shown()
        self.assertEqual('stream', shown['delivery'])
        self.assertEqual('instance', shown['purpose'])
        self.assertEqual('127.0.0.1', shown['client'])
        urls = self.urls()
        token = urls[0].split('/')[-2]
        self.assertNotIn(token, json.dumps(shown))
        self.assertEqual([200, 200], [status(url) for url in urls])
        with urllib.request.urlopen(urls[0]) as one, \
                urllib.request.urlopen(urls[1]) as other:
            self.assertEqual(one.headers['ETag'], other.headers['ETag'])
            self.assertEqual(one.headers['Last-Modified'],
                             other.headers['Last-Modified'])
            self.assertEqual(one.read(), other.read())

        urls = self.finish(urls)
        self.undeploy()
        self.assert_gone(urls)
        self.assert_nothing_left()
        self.assert_not_in_logs(token)

    def finish(self, urls):
        """What is left to try; return the URLs that are the node's then."""
        return urls


class BiosStreamTestCase(DeployTests, StreamTestCase):

    firmware = hypervisor.Firmware.BIOS

    def finish(self, urls):
        """A rebuild ends the old stream and boots from a new one."""
        self.node.say(kernel_append_params='e2e.colour=blue')
        self.node.ask('rebuild')
        self.node.await_state('active')
        report = self.node.await_report(seen=1)
        self.assertIn('e2e.colour=blue', report.command_line.split())
        self.assert_gone(urls)
        self.assertEqual(1, self.live_media())
        return self.urls()

    def test_a_deploy_goes_on_when_another_replica_takes_over(self):
        first, second = self.lab.media_servers
        first.kill()
        self.configure()
        self.node.ask('active')
        # The BMC finds nobody to read from, and Ironic asks it again.
        process.await_condition(
            lambda: self.lab.proxy.requests('POST', base.INSERT),
            'the first insertion', timeout=60)
        self.lab.balancer.switch(second)
        self.node.await_state('active')
        self.assert_config_arrived(self.node.await_report())
        self.assertEqual(200, status(self.urls()[1]))

        # The one that was down knows of what happened meanwhile.
        first.start()
        urls = self.urls()
        self.assertEqual(200, status(urls[0]))
        self.undeploy()
        self.assert_gone(urls)

    def test_a_conductor_that_was_killed_leaks_no_stream(self):
        self.addCleanup(self._start_ironic)
        self.configure()
        hang = self.lab.proxy.hang_next('POST', base.INSERT)
        self.node.ask('active')
        hang.await_request(60)
        self.assertEqual(1, self.live_media())
        self.lab.ironic.kill()
        hang.release()
        self.lab.ironic.start()
        self.node.await_state('deploy failed')
        self.undeploy()
        self.assert_nothing_left()

    def _start_ironic(self) -> None:
        if self.lab.ironic.pid is None:
            self.lab.ironic.start()


class UefiStreamTestCase(DeployTests, StreamTestCase):

    firmware = hypervisor.Firmware.UEFI

# SPDX-License-Identifier: Apache-2.0

"""The distribution as it is installed: a wheel, units, a devstack plugin."""

import concurrent.futures
import configparser
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig

import fixtures
import testtools

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_SYSTEMD = sorted((_ROOT / 'packaging/systemd').glob('*.service'))


def run(*command, **options):
    """Run a command that has to succeed; return what it printed."""
    done = subprocess.run([str(word) for word in command], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          **options)
    if done.returncode:
        raise AssertionError(f'{command}: {done.stdout}{done.stderr}')
    return done.stdout


class WheelTestCase(testtools.TestCase):
    """A fresh environment that has what the extras need, and the wheel."""

    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        pip = [sys.executable, '-m', 'pip', '--disable-pip-version-check']
        # Of the files of the repository alone, as somebody else has them.
        source = folder / 'source'
        source.mkdir()
        files = run('git', 'ls-files', '-z', '--cached', '--others',
                    '--exclude-standard', cwd=_ROOT).split('\0')
        for name in filter(None, files):
            if (_ROOT / name).is_file() and not name.startswith('tests/'):
                (source / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(_ROOT / name, source / name)
        run(*pip, 'wheel', '-q', '--no-deps', '--no-build-isolation', '-w',
            folder, source, env={**os.environ, 'PBR_VERSION': '1.0.0.dev1'})
        (self.wheel,) = folder.glob('*.whl')
        venv = folder / 'venv'
        run(sys.executable, '-m', 'venv', '--without-pip', venv)
        self.bin = venv / 'bin'
        (packages,) = venv.glob('lib/python3*/site-packages')
        self.pip = [*pip, '--python', self.bin / 'python']
        run(*self.pip, 'install', '-q', '--no-deps', self.wheel)
        # Third parties' packages come from here: their sizes are gigabytes.
        (packages / 'others.pth').write_text(
            f'{sysconfig.get_path("purelib")}\n')

    def test_it_is_whole_and_each_of_its_programs_starts(self):
        self.assertIn('-1.0.0.dev1-', self.wheel.name)
        self.assertIn('No broken requirements found',
                      run(*self.pip, 'check'))
        config = configparser.ConfigParser()
        config.read(_ROOT / 'setup.cfg')
        programs = [line.partition('=')[0].strip() for line in config[
            'entry_points']['console_scripts'].strip().splitlines()]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for name, said in zip(programs, pool.map(
                    lambda name: run(self.bin / name, '--help'), programs)):
                self.assertIn('usage: ', said, name)
        # It runs what the wheel has, with all that is no module.
        self.assertEqual('True True', run(
            self.bin / 'python', '-I', '-c', '''
import pathlib, sys, ironic_ext
top = pathlib.Path(ironic_ext.__file__).parent
print(top.is_relative_to(sys.prefix), all((top / name).exists() for name in (
    'server/page/app.js', 'drivers/boot/boot.ipxe', 'py.typed',
    'media/migrations/versions/0001_media.py')))''').strip())


class SystemdTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        for program in ('systemd-analyze', 'systemd-sysusers'):
            if shutil.which(program) is None:
                self.skipTest(f'{program} is not installed')
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def test_units_are_right_and_hardened(self):
        self.assertEqual(2, len(_SYSTEMD))
        for unit in _SYSTEMD:
            # The program is where this environment has it.
            text = unit.read_text()
            program = f'/usr/bin/{unit.stem}'
            self.assertIn(f'ExecStart={program} ', text)
            copy = self.folder / unit.name
            copy.write_text(text.replace(
                program, str(pathlib.Path(sys.executable).parent
                             / unit.stem)))
            run('systemd-analyze', 'verify', copy)
            # Tenths of systemd's measure of exposure, of 100.
            run('systemd-analyze', 'security', '--offline=true',
                '--threshold=20', copy)

    def test_user_and_directories_are_made(self):
        if os.geteuid():
            self.skipTest('only root makes users')
        (self.folder / 'etc').mkdir()
        run('systemd-sysusers', f'--root={self.folder}',
            _ROOT / 'packaging/sysusers.d/ironic-ext.conf')
        passwd = (self.folder / 'etc/passwd').read_text()
        self.assertIn(':/var/lib/ironic:', passwd)
        run('systemd-tmpfiles', f'--root={self.folder}', '--create',
            _ROOT / 'packaging/tmpfiles.d/ironic-ext.conf')
        found = (self.folder / 'var/lib/ironic/ext').stat()
        uid = int(next(line for line in passwd.splitlines()
                       if line.startswith('ironic:')).split(':')[2])
        self.assertEqual((0o700, uid), (found.st_mode & 0o777, found.st_uid))


class DevstackTestCase(testtools.TestCase):
    """The plugin, before functions that say what they were asked for."""

    _FUNCTIONS = '''
IRONIC_CONF_FILE=conf DEST=/dest DATA_DIR=$1 SERVICE_HOST=192.0.2.1
declare -A written=([DEFAULT.enabled_boot_interfaces]=ipxe)
KEYSTONE_SERVICE_URI=http://192.0.2.1/identity SERVICE_PASSWORD=secret
enabled=
function enable_service { enabled+=" $*"; }
function is_service_enabled {
    for name; do [[ " ironic $enabled " == *" $name "* ]] && return; done
    return 1
}
function iniget { echo "${written[$2.$3]:-}"; }
function iniset { written[$2.$3]=$4; }
function setup_develop { echo "develop $*"; }
function run_process { echo "run $1"; }
function stop_process { echo "stop $1"; }
function which { echo "/bin/$1"; }
source devstack/settings
for words in 'stack install' 'stack post-config' 'stack post-config' \\
        'stack extra' 'unstack '; do
    source devstack/plugin.sh $words
done
for name in "${!written[@]}"; do echo "$name=${written[$name]}"; done
'''

    def test_it_adds_to_what_ironic_has(self):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        said = run('bash', '-ec', self._FUNCTIONS, 'devstack', folder,
                   cwd=_ROOT).splitlines()
        self.assertEqual(
            ['develop /dest/ironic-ext conductor,server',
             'run ironic-ext-media', 'run ironic-ext-boot',
             'stop ironic-ext-media', 'stop ironic-ext-boot'],
            [line for line in said if '=' not in line])
        for line in ('DEFAULT.enabled_boot_interfaces=ipxe,redfish-iso',
                     'DEFAULT.enabled_hardware_types=redfish-ext',
                     'ext_ironic.system_scope=all'):
            self.assertIn(line, said)
        self.assertEqual(0o700, (folder / 'ironic/ext').stat().st_mode
                         & 0o777)

    def test_shellcheck_has_nothing_to_say(self):
        if shutil.which('shellcheck') is None:
            self.skipTest('shellcheck is not installed')
        run('shellcheck', _ROOT / 'devstack/plugin.sh')

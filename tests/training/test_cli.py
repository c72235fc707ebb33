import subprocess
import sys

from click.testing import CliRunner

from training.__main__ import COMMANDS, main


def test_help_lists_every_command_and_loads_no_framework() -> None:
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from training.__main__ import main\n"
        "print(CliRunner().invoke(main, ['--help']).output)\n"
        "print('loaded:', *sorted({'torch', 'keras', 'numpy', 'pandas'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *shown, loaded = done.stdout.splitlines()
    assert loaded == "loaded:"
    assert all(any(line.strip().startswith(name) for line in shown) for name in COMMANDS)


def test_an_unknown_command_is_refused() -> None:
    result = CliRunner().invoke(main, ["develop"])
    assert result.exit_code == 2
    assert "develop" in result.output

"""Command `completion`: prints or installs the completion of a shell."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import click

from recording_core.cli.output.messages import write_message

#: shell -> the variable of the user's folder, the folder below home without it, and the file in it.
#: https://github.com/scop/bash-completion#faq, https://fishshell.com/docs/current/completions.html;
#: zsh reads the folders of `fpath`, of which none is the user's by default.
_PLACES: Mapping[str, tuple[str, str, str]] = {
    "bash": ("XDG_DATA_HOME", ".local/share", "bash-completion/completions/recordings"),
    "zsh": ("ZDOTDIR", "", ".zfunc/_recordings"),
    "fish": ("XDG_CONFIG_HOME", ".config", "fish/completions/recordings.fish"),
}
#: What to do after the installation
_NEXT: Mapping[str, str] = {
    "bash": "Open a new shell. It needs the package bash-completion.",
    "zsh": "Add to .zshrc, if it is not there: fpath+=({folder}); autoload -Uz compinit; compinit",
    "fish": "Open a new shell.",
}


@click.command()
@click.argument("shell", type=click.Choice(tuple(_PLACES)), metavar="bash|zsh|fish")
@click.option("--install", is_flag=True, help="Write it to the user's folder of the shell.")
@click.pass_context
def completion(ctx: click.Context, shell: str, install: bool) -> None:
    """Print the completion of a shell.

    It completes commands, options, providers and accounts.

    \b
    For one session:
      source <(recordings completion bash)   # or zsh
      recordings completion fish | source
    For every session:
      recordings completion bash --install

    --install writes it to the folder from which the shell loads a user's completions, and prints
    what is left to do. With zsh, that is a line in .zshrc.
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  # the option's choices
    script = kind(ctx.find_root().command, {}, "recordings", "_RECORDINGS_COMPLETE").source()
    if not install:
        click.echo(script)
        return
    variable, folder, name = _PLACES[shell]
    path = Path(os.environ.get(variable) or Path.home() / folder) / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{script}\n", encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"Cannot write {path}: {error.strerror}") from None
    write_message(f"Wrote {path}. {_NEXT[shell].format(folder=path.parent)}")

"""Completion for shells: the scripts that `p2pchat completion bash|zsh|fish` prints.

Rules: the words come from the tables that the program itself uses, so that they never lie. Peers
are asked of the node that runs, quietly: without one there is nothing to complete. A peer's name is
a stranger's text: no shell expands it, neither when it is completed nor when Enter is pressed. So
bash's `compgen -W`, which expands its words, is for words of ours alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from p2pchat.control.client.subcommands import SUBCOMMANDS
from p2pchat.settings.table import OPTION_GROUPS

_WHICH: Final = (
    ("name", "the node of this name"),
    ("namespace", "the node in this namespace"),
    ("control", "the node with this control socket"),
    ("json", "for programs"),
    ("help", "what there is"),
)
_FILES: Final = ("config", "log-file", "control", "on-message")


def node_options() -> list[tuple[str, str, str]]:
    """(option, metavar, help) of everything that a node takes, in the order of its help."""
    return [(row.option, row.metavar, row.help) for _, rows in OPTION_GROUPS for row in rows]


def bash() -> str:
    """For bash 4 and newer."""
    options = " ".join(f"--{option}" for option, _, _ in node_options())
    valued = "|".join(f"--{option}" for option, metavar, _ in node_options() if metavar)
    files = "|".join(f"--{option}" for option in _FILES)
    words = " ".join(name for name, _ in SUBCOMMANDS)
    which = " ".join(f"--{option}" for option, _ in _WHICH)
    return f"""# Completion of p2pchat for bash: eval "$(p2pchat completion bash)"
_p2pchat() {{
    # Peers hold characters at which bash would break words.
    local word previous command name quoted
    word=${{COMP_WORDS[COMP_CWORD]}}
    previous=${{COMP_WORDS[COMP_CWORD-1]}}
    command=${{COMP_WORDS[1]}}
    COMPREPLY=()
    local IFS=$'\\n'
    case $previous in
        {files})
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
            compopt -o filenames 2>/dev/null
            return ;;
        --log-level)
            COMPREPLY=($(compgen -W $'DEBUG\\nINFO\\nWARNING\\nERROR' -- "$word"))
            return ;;
        {valued})
            COMPREPLY=()
            return ;;
    esac
    if ((COMP_CWORD == 1)) && [[ $word != -* ]]; then
        COMPREPLY=($(compgen -W "$(printf '%s\\n' {words})" -- "$word"))
        return
    fi
    case $command in
        send)
            if ((COMP_CWORD == 2)) && [[ $word != -* ]]; then
                while IFS= read -r name; do
                    printf -v quoted %q "$name"
                    if [[ $name == "$word"* || $quoted == "$word"* ]]; then
                        COMPREPLY+=("$quoted")
                    fi
                done < <(p2pchat completion peers 2>/dev/null)
                return
            fi ;;
        keys)
            if ((COMP_CWORD == 2)); then
                COMPREPLY=($(compgen -W $'list\\nexport\\nimport\\nrotate' -- "$word"))
                return
            elif ((COMP_CWORD == 3)) && [[ $word != -* ]]; then
                mapfile -t COMPREPLY < <(compgen -f -- "$word")
                compopt -o filenames 2>/dev/null
                return
            fi ;;
        completion)
            COMPREPLY=($(compgen -W $'bash\\nzsh\\nfish' -- "$word"))
            return ;;
        -*)
            COMPREPLY=($(compgen -W "$(printf '%s\\n' {options})" -- "$word"))
            return ;;
    esac
    COMPREPLY=($(compgen -W "$(printf '%s\\n' {which})" -- "$word"))
}}
COMP_WORDBREAKS=${{COMP_WORDBREAKS//@/}}
complete -F _p2pchat p2pchat
"""


def zsh() -> str:
    """For zsh, as a file `_p2pchat` in a folder of $fpath."""
    commands = "\n".join(f"        {_quoted(f'{name}:{about}')}" for name, about in SUBCOMMANDS)
    options = " \\\n".join(
        "        " + _quoted(_zsh_option(option, metavar, about))
        for option, metavar, about in node_options()
    )
    which = " \\\n".join(
        "        " + _quoted(_zsh_option(option, "" if option in ("json", "help") else "X", about))
        for option, about in _WHICH
    )
    return f"""#compdef p2pchat
# Completion of p2pchat for zsh: p2pchat completion zsh > a file _p2pchat in a folder of $fpath
_p2pchat() {{
    local -a commands peers
    commands=(
{commands}
    )
    if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
        _describe -t commands 'p2pchat command' commands
        return
    fi
    if [[ $words[2] == -* ]]; then
        _arguments \\
{options}
        return
    fi
    if [[ $words[2] == send ]] && (( CURRENT == 3 )) && [[ $words[3] != -* ]]; then
        peers=(${{(f)"$(p2pchat completion peers 2>/dev/null)"}})
        compadd -a peers
        return
    fi
    if [[ $words[2] == keys ]] && (( CURRENT == 3 )); then
        compadd list export import rotate
        return
    fi
    if [[ $words[2] == keys ]] && (( CURRENT == 4 )) && [[ $words[4] != -* ]]; then
        _files
        return
    fi
    if [[ $words[2] == completion ]]; then
        compadd bash zsh fish
        return
    fi
    _arguments \\
{which}
}}
_p2pchat "$@"
"""


def fish() -> str:
    """For fish, as a file in its folder of completions."""
    names = " ".join(name for name, _ in SUBCOMMANDS)
    lines = [
        "# Completion of p2pchat for fish: "
        "p2pchat completion fish > ~/.config/fish/completions/p2pchat.fish",
        "complete -c p2pchat -f",
    ]
    beginning = "-n __fish_use_subcommand"
    for name, about in SUBCOMMANDS:
        lines.append(f"complete -c p2pchat {beginning} -a {name} -d {_quoted(about)}")
    for option, metavar, about in node_options():
        takes = ("-r -F" if option in _FILES else "-x") if metavar else ""
        line = f"complete -c p2pchat {beginning} -l {option} {takes} -d {_quoted(about)}"
        lines.append(" ".join(line.split()) if not takes else line)
    seen = f"-n '__fish_seen_subcommand_from {names}'"
    for option, about in _WHICH:
        takes = {"control": " -r -F", "json": "", "help": ""}.get(option, " -x")
        lines.append(f"complete -c p2pchat {seen} -l {option}{takes} -d {_quoted(about)}")
    lines += [
        "complete -c p2pchat -n '__fish_seen_subcommand_from send' "
        "-a '(p2pchat completion peers 2>/dev/null)'",
        "complete -c p2pchat -n '__fish_seen_subcommand_from keys' -a 'list export import rotate'",
        "complete -c p2pchat -n '__fish_seen_subcommand_from export import' -F",
        "complete -c p2pchat -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'",
    ]
    return "\n".join(lines) + "\n"


SCRIPTS: Final[dict[str, Callable[[], str]]] = {"bash": bash, "zsh": zsh, "fish": fish}
"""What makes the script for each shell."""


def _zsh_option(option: str, metavar: str, about: str) -> str:
    text = about.replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
    value = ""
    if option in _FILES:
        value = ":file:_files"
    elif option == "log-level":
        value = ":level:(DEBUG INFO WARNING ERROR)"
    elif metavar:
        value = f":{option}:"
    return f"--{option}[{text}]{value}"


def _quoted(text: str) -> str:
    """As one word for a shell; fish and zsh both take a quote inside of quotes this way."""
    return "'" + text.replace("'", "'\\''") + "'"

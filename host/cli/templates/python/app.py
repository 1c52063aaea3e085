"""What {{name}} decides: programs that the operator listed start, about others somebody is asked; files are
changed below one directory, and read everywhere. The configuration has lines "program PATH" and one "root PATH"."""

from functools import cache

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import config
from wit_world.imports.types import (
    Access,
    Action_File,
    Action_ProcessStart,
    ActionKind,
    Decision_Abstain,
    Decision_Allow,
    Decision_Ask,
    Decision_Deny,
    Description,
    GrantEntry,
    Narrowing,
    Verdict,
)


def is_below(path, root):
    return path == root or path.startswith(root + "/")


@cache
def settings():
    """The programs and the root, read once. An error refuses the policy, and the operator reads it."""
    programs, root = set(), None
    for line in config.text().splitlines():
        word, _, path = line.strip().partition(" ")
        if not word or word.startswith("#"):
            continue
        path = path.strip()
        absolute = path.startswith("/") and not path.endswith("/")
        if word == "program" and absolute:
            programs.add(path)
        elif word == "root" and absolute and not root:
            root = path
        else:
            raise Err(f'not understood: "{line}"; there are "program PATH" and one "root PATH", both absolute')
    if not root:
        raise Err('a line "root PATH" is missing: the directory below which files may be changed')
    for program in programs:
        if is_below(program, root):
            raise Err(f"{program} is below {root}, where the client can change it")
    return programs, root


def start(asked):
    programs, _ = settings()
    # `program` is the file that will be executed. argv[0] is only what the client calls it.
    if asked.program in programs:
        return Verdict(Decision_Allow(), None, "program", None)
    return Verdict(Decision_Ask(f"Start {asked.program or asked.argv[0]}? It is not on the list."), None, "program", None)


def file(asked):
    _, root = settings()
    for name in asked.paths:
        if name.access == Access.WRITE and not is_below(name.path, root):
            return Verdict(Decision_Deny(f"Files are changed below {root} only."), None, "root", None)
    # Paths are names. That nothing leaves the root by a link is what the host makes sure of, with this.
    grant = [GrantEntry("/", Access.READ), GrantEntry(root, Access.WRITE)]
    return Verdict(Decision_Allow(), Narrowing(grant, [], None, None), "root", None)


class Evaluator(exports.Evaluator):
    def describe(self):
        settings()
        return Description(
            name="{{name}}",
            version="0.1.0",
            summary="Listed programs start, files are changed below one directory",
            actions=[ActionKind.PROCESS_START, ActionKind.FILE],
        )

    def evaluate(self, subject, action):
        match action:
            case Action_ProcessStart(asked):
                return start(asked)
            case Action_File(asked):
                return file(asked)
            case _:
                return Verdict(Decision_Abstain(), None, None, None)

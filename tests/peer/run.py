#!/usr/bin/env python3
"""Real clients against Lockgate and against their own server: the same scripted conversations must end the same."""

import argparse
import json
import pathlib
import subprocess
import sys

sys.dont_write_bytecode = True  # nothing is left in the checkout

from ground import Ground, Remote, Server, Wire, run_client
from model import Model
from scenarios import SCENARIOS, Notes, confined, cut, guarded

VERSIONS = ["0.133.0", "0.169.0"]

# Where Lockgate differs because it is meant to: conversation, answer, and what Lockgate's must contain.
MEANT = [
    # A death by signal has its number, as in later references; the old one says -1.
    ("0.133.0 commands", "killed by a signal", "code 137"),
    # The same failure; Lockgate says what it was about.
    (" commands", "a missing directory", "(-32603): cannot use cwd BASE/work/missing: No such file or directory"),
    # A hidden file is not there; for the reference that is so, or permission is denied, as its sandbox has it.
    ("0.169.0 guarded", "hidden", "No such file or directory"),
    ("0.169.0 guarded", "(refused by the server)", "fs/readFile -32004"),
    # Processes are not confined: refused, or, where the host is said to be the sandbox, free.
    ("0.169.0 confined, refusing", "", "sandbox intent cannot be enforced on this executor"),
    ("0.169.0 confined, refusing", "(refused by the server)", "process/start -32602"),
    ("0.169.0 confined, external", "outside", "Process exited with code 0"),
    # How much of a flood its own buffer keeps depends on how the client's reads fall; nothing may be lost on the way.
    ("0.133.0 big_output", "megabytes", "Process exited with code 0"),
]


# What must hold whatever the reference does.
HOLDS = {
    "(client's exit code)": "0",
    "(scenario)": "finished",
    "(instructions found)": "True",
    "(skill found)": "True",
    "(hidden files changed)": "False",
    "(left running)": "False",
    "(bytes lost between reads)": "0",
    "(touched by the client itself)": "[]",
}


def meant(name, key, answer):
    """Whether Lockgate differs in this answer on purpose."""
    return any(part in name and part_of_key in key and text in answer for part, part_of_key, text in MEANT)
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def fetch(version, cache):
    """The released binary of the reference, from npm, kept in the cache."""
    place = cache / version
    found = list(place.glob("node_modules/@openai/*/vendor/*/bin/codex"))
    if not found:
        place.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", place, f"@openai/codex@{version}"], check=True
        )
        found = list(place.glob("node_modules/@openai/*/vendor/*/bin/codex"))
    return str(found[0])


def converse(codex, server, scenario, sandbox="danger-full-access", stdio=False, remote=None, keep=False):
    """One scenario; returns the notes, with what the harness saw itself among them."""
    ground = Ground(keep)
    closing = [ground]
    try:
        wire = None
        if remote:
            through = Remote(ground, remote["rendezvous"], server, remote["encrypts"])
            closing.append(through)
            environment = through.environment
        elif stdio:
            environment = [*server, "--listen", "stdio"]
        else:
            running = Server(ground, [*server, "--listen", "ws://127.0.0.1:0"])
            closing.append(running)
            wire = Wire(running.url)
            closing.append(wire)
            environment = wire.url
        notes = Notes(ground.work, ground.outside, wire and wire.cut)
        model = Model(scenario(notes))
        closing.append(model)
        status = run_client(codex, ground, model, sandbox, environment)
        first = json.dumps(model.requests[0]["input"]) if model.requests else ""
        notes["(client's exit code)"] = str(status)
        notes["(scenario)"] = model.failure or ("finished" if model.finished else "not finished")
        notes["(instructions found)"] = str("Instructions that only the server has" in first)
        notes["(skill found)"] = str("A skill that only the server has" in first)
        notes["(hidden files changed)"] = str(ground.secret_changed())
        notes["(left running)"] = str(ground.left_running())
        notes["(touched by the client itself)"] = str(ground.touched_by_client())
        if wire:
            notes.wire = wire
            notes["(refused by the server)"] = str(wire.refusals())
            if scenario.__name__ == "big_output":
                notes["(bytes lost between reads)"] = str(wire.lost())
        base = str(ground.base)
        for name, text in notes.items():
            notes[name] = text.replace(base, "BASE")
        return notes
    finally:
        for item in reversed(closing):
            item.close()


def conversations(clients, lockgate):
    """Name, the client, Lockgate's side and the reference's side of every comparison."""
    external = [lockgate, "exec-server", "--process-sandbox", "external"]
    for version, codex in clients.items():
        reference = [codex, "exec-server"]
        for name, scenario in SCENARIOS.items():
            yield f"{version} {name}", codex, scenario, [lockgate, "exec-server"], reference, {}
        for name in ["commands", "terminal", "patches"]:
            yield f"{version} {name}, stdio", codex, SCENARIOS[name], [lockgate, "exec-server"], reference, {"stdio": True}
        write = {"sandbox": "workspace-write"}
        for name in ["commands", "patches", "images"]:
            yield f"{version} {name}, workspace-write", codex, SCENARIOS[name], external, reference, write
        yield f"{version} confined, external", codex, confined, external, reference, write
        yield f"{version} confined, refusing", codex, confined, [lockgate, "exec-server"], reference, write
        yield f"{version} guarded", codex, guarded, external, reference, {"sandbox": "guarded"}
        yield f"{version} cut", codex, cut, [lockgate, "exec-server"], reference, {}
        # The old client has a URL and no keys; its server cannot register anywhere but at home, so it is compared without.
        encrypts = version != "0.133.0"
        remote = {"rendezvous": lockgate, "encrypts": encrypts}
        ours = [lockgate, "exec-server", "--remote-transport", "noise" if encrypts else "direct"]
        for name, scenario in SCENARIOS.items():
            how = {"remote": remote, "theirs": {"remote": remote if encrypts else None}}
            yield f"{version} {name}, remote", codex, scenario, ours, reference, how


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--lockgate", type=pathlib.Path, default=REPOSITORY / "target/release/lockgate")
    options.add_argument("--cache", type=pathlib.Path, default=REPOSITORY / "target/peer", help="where npm puts the reference")
    options.add_argument("--only", default="", help="only conversations whose name contains this")
    options.add_argument("--verbose", action="store_true", help="print every answer")
    options.add_argument("--keep", action="store_true", help="leave the directories of every run in /var/tmp")
    arguments = options.parse_args()
    clients = {version: fetch(version, arguments.cache) for version in VERSIONS}
    different = 0
    for name, codex, scenario, ours, theirs, how in conversations(clients, str(arguments.lockgate.resolve())):
        if arguments.only not in name:
            continue
        but = how.pop("theirs", {})
        mine = converse(codex, ours, scenario, keep=arguments.keep, **how)
        other = converse(codex, theirs, scenario, keep=arguments.keep, **{**how, **but})
        names = list(dict.fromkeys([*other, *mine]))
        if hasattr(mine, "wire") != hasattr(other, "wire"):
            # What was seen on the wire is compared where both have one that can be read.
            names = [key for key in names if key in mine and key in other]
        unlike = [key for key in names if mine.get(key) != other.get(key)]
        # Some things are wrong even where both servers agree on them.
        broken = [key for key, good in HOLDS.items() if mine.get(key, good) != good]
        wrong = [key for key in unlike if key not in HOLDS and not meant(name, key, mine.get(key, ""))] + broken
        different += bool(wrong)
        verdict = "DIFF" if wrong else "meant" if unlike else "same"
        print(f"{verdict:6}{name}: {len(names) - len(unlike)} of {len(names)} answers alike", flush=True)
        if hasattr(mine, "wire") and hasattr(other, "wire") and arguments.verbose:
            print("      methods:", mine.wire.methods(), "connections:", mine.wire.connections)
            print("      reference:", other.wire.methods(), "connections:", other.wire.connections)
        for key in names if arguments.verbose else [*unlike, *broken]:
            print(f"    {key}\n      lockgate:  {mine.get(key)!r:.1500}")
            if key in unlike:
                print(f"      reference: {other.get(key)!r:.1500}")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()

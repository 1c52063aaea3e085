"""What the scripted model asks for. Each scenario is a generator over a `Notes`, in which it keeps the answers by name.

Answers are kept with what differs between two runs of the same server (ids, times) taken out, so that the notes of two
servers can be compared as they are.
"""

import base64
import re
import struct
import zlib

from model import call, patch

VOLATILE = [
    (re.compile(r"Chunk ID: \w+\n"), ""),
    (re.compile(r"Wall time: [\d.]+ seconds"), "Wall time: T seconds"),
    (re.compile(r"(session ID|process id) \d+"), r"\1 N"),
    (re.compile(r"ws://127\.0\.0\.1:\d+"), "URL"),
]


class Notes(dict):
    """Answers by name, the places that a scenario may use, and how it cuts the connection."""

    def __init__(self, work, outside, cut):
        super().__init__()
        self.work, self.outside, self.cut = work, outside, cut

    def keep(self, name, answer):
        text = answer if isinstance(answer, str) else repr(answer)
        for pattern, replacement in VOLATILE:
            text = pattern.sub(replacement, text)
        self[name] = text
        return answer


def run(notes, name, command, **more):
    """One command in one turn; keeps and returns what the model was told."""
    more.setdefault("yield_time_ms", 20000)
    [answer] = yield call("exec_command", cmd=command, login=False, **more)
    return notes.keep(name, answer)


def write(notes, name, session, text, wait=1500):
    [answer] = yield call("write_stdin", session_id=session, chars=text, yield_time_ms=wait)
    return notes.keep(name, answer)


def session_of(answer):
    return int(re.search(r"session ID (\d+)", answer).group(1))


def commands(notes):
    yield from run(notes, "who and where", "echo $PEER_HOST; pwd; cat marker")
    yield from run(notes, "exit code", "echo before; exit 42")
    yield from run(notes, "killed by a signal", "kill -9 $$")
    yield from run(notes, "both streams", "echo out; sleep 0.2; echo err >&2; sleep 0.2; echo out again")
    yield from run(notes, "no such command", "no-such-command-here")
    yield from run(notes, "standard input is empty", "cat; echo ended $?")
    yield from run(notes, "not a terminal", "test -t 0 || test -t 1 || echo no terminal")
    yield from run(notes, "another directory", "pwd; ls", workdir=f"{notes.work}/nested")
    yield from run(notes, "a missing directory", "pwd", workdir=f"{notes.work}/missing")
    yield from run(notes, "not text", r"printf 'a\377\000b\303\251\n'")
    yield from run(notes, "the environment", "env -0 | tr '\\0' '\\n' | grep -E '^(PEER_|TERM=|NO_COLOR|PAGER|LANG|CODEX_CI|HOME=)' | sort")
    yield from run(notes, "a child left behind", "sleep 1 & echo started")
    answers = yield [call("exec_command", cmd=f"echo {n}; exit {n}", login=False) for n in range(4)]
    for number, answer in enumerate(answers):
        notes.keep(f"four at once, {number}", answer)


def big_output(notes):
    yield from run(notes, "a megabyte", "seq 1 150000", max_output_tokens=300)
    yield from run(notes, "three megabytes", "seq 1 400000", max_output_tokens=300)
    yield from run(notes, "eight megabytes", "head -c 8000000 /dev/zero | tr '\\0' x | fold -w 99; echo the end", max_output_tokens=100)
    yield from run(notes, "one long line", "head -c 300000 /dev/zero | tr '\\0' y; echo; echo end", max_output_tokens=100)


def terminal(notes):
    started = yield from run(notes, "a shell", "PS1= sh -i", tty=True, yield_time_ms=1500)
    session = session_of(started)
    yield from write(notes, "its size", session, "stty size; tty | cut -c1-8\n")
    yield from write(notes, "who", session, "echo $PEER_HOST\n")
    yield from write(notes, "a running child", session, "cat\n")
    yield from write(notes, "echoed", session, "line one\nline two\n")
    yield from write(notes, "interrupt", session, "\x03")
    yield from write(notes, "alive", session, "echo still $((40 + 2))\n")
    yield from write(notes, "end of input", session, "exit 7\n")
    yield from write(notes, "gone", session, "echo no\n")
    started = yield from run(notes, "a late prompt", "printf 'name: '; read name; echo hello $name; exit 3", tty=True, yield_time_ms=1000)
    yield from write(notes, "an answer", session_of(started), "peer\n", wait=5000)
    started = yield from run(notes, "slow, without terminal", "echo one; sleep 2; echo two; exit 5", yield_time_ms=600)
    yield from write(notes, "polled to its end", session_of(started), "", wait=8000)
    started = yield from run(notes, "left running", "echo $$ > pid; exec sleep 300", yield_time_ms=600)


PATCH_ADD = """*** Begin Patch
*** Add File: made.txt
+first
+second
+third é
*** Add File: deep/er/new.txt
+nested
*** End Patch"""

PATCH_CHANGE = """*** Begin Patch
*** Update File: made.txt
@@
 first
-second
+SECOND
 third é
*** Update File: old-name.txt
*** Move to: moved/new-name.txt
@@
-old content
+new content
*** Delete File: doomed.txt
*** End Patch"""


def patches(notes):
    listing = "find . -type f | grep -v '^./pid' | sort | xargs md5sum; cat made.txt"
    for name, text in [
        ("add", PATCH_ADD),
        ("change, move and delete", PATCH_CHANGE),
        ("update a missing file", "*** Begin Patch\n*** Update File: none.txt\n@@\n-a\n+b\n*** End Patch"),
        ("context that is not there", "*** Begin Patch\n*** Update File: made.txt\n@@\n-absent\n+b\n*** End Patch"),
        ("delete a missing file", "*** Begin Patch\n*** Delete File: none.txt\n*** End Patch"),
        ("through a link", "*** Begin Patch\n*** Update File: link.txt\n@@\n-linked\n+changed through the link\n*** End Patch"),
    ]:
        [answer] = yield patch(text)
        notes.keep(name, answer)
    yield from run(notes, "the files afterwards", listing)
    yield from run(notes, "a patch as a command", "apply_patch <<'EOF'\n*** Begin Patch\n*** Add File: heredoc.txt\n+by heredoc\n*** End Patch\nEOF\n")
    yield from run(notes, "its file", "cat heredoc.txt")


def image(width, height):
    """A PNG file, red."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + b"\xff\0\0" * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def images(notes):
    for name, path in [
        ("an image", "red.png"),
        ("an absolute path", f"{notes.work}/red.png"),
        ("a missing image", "missing.png"),
        ("a directory", "nested"),
        ("no image", "made-before.txt"),
    ]:
        [answer] = yield call("view_image", path=path)
        notes.keep(name, answer)


def instructions(notes):
    """Nothing but a greeting: what the client found by itself is in its first request."""
    return
    yield


def confined(notes):
    """What only makes sense under a workspace-write policy."""
    yield from run(notes, "write inside", "echo in > inside.txt && cat inside.txt")
    yield from run(notes, "write outside", f"(echo out > {notes.outside}/by-command) 2>&1; echo $?")
    for name, path in [("patch outside", f"{notes.outside}/by-patch.txt"), ("patch .git", ".git/hooks/evil"), ("patch up", "../outside/up.txt")]:
        [answer] = yield patch(f"*** Begin Patch\n*** Add File: {path}\n+evil\n*** End Patch")
        notes.keep(name, answer)
    [answer] = yield patch("*** Begin Patch\n*** Update File: way-out/target.txt\n@@\n-outside\n+evil\n*** End Patch")
    notes.keep("patch through a link that leads out", answer)
    yield from run(notes, "what is outside", f"find {notes.outside} .git -type f | sort; cat {notes.outside}/target.txt")


def cut(notes):
    """The connection is cut by the harness while this runs: output must be whole, later calls must work."""
    started = yield from run(notes, "before", "for i in 1 2 3 4 5 6 7 8; do echo tick $i; sleep 0.5; done; exit 9", yield_time_ms=1000)
    notes.cut()
    yield from write(notes, "across the cut", session_of(started), "", wait=12000)
    yield from run(notes, "after", "echo after; cat marker")
    notes.cut()
    [answer] = yield patch("*** Begin Patch\n*** Add File: after.txt\n+after\n*** End Patch")
    notes.keep("patch after", answer)


def guarded(notes):
    """What only makes sense under a profile that hides the directory `secret` and leaves the rest readable."""
    for name, path in [("a free image", "red.png"), ("a hidden image", "secret/red.png"), ("hidden, through a link", "to-secret.png")]:
        [answer] = yield call("view_image", path=path)
        notes.keep(name, answer)
    for name, path in [("patch a free file", "old-name.txt"), ("patch a hidden file", "secret/file")]:
        [answer] = yield patch(f"*** Begin Patch\n*** Update File: {path}\n@@\n-old content\n+new content\n*** End Patch")
        notes.keep(name, answer)
    [answer] = yield patch("*** Begin Patch\n*** Add File: secret/made.txt\n+made\n*** End Patch")
    notes.keep("add a hidden file", answer)


SCENARIOS = {
    scenario.__name__: scenario for scenario in [commands, big_output, terminal, patches, images, instructions]
}

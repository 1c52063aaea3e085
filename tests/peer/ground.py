"""Where a conversation happens: two views of the same paths, the servers, the real client and the wire between them.

Client and server share a machine here, so a client that did the work by itself would go unnoticed. Therefore the server
lives in a mount namespace in which other directories lie over the ones the client sees: whatever the client touches
by itself shows up in its own, nearly empty, view.
"""

import json
import os
import pathlib
import shlex
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
import urllib.request
from urllib.parse import urlsplit

from scenarios import image

NAMESPACE = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Ground:
    """Directories of one run, removed at its end."""

    def __init__(self, keep=False):
        # Not below /tmp: a workspace-write policy leaves all of /tmp writable.
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="peer-", dir="/var/tmp"))
        self.keep = keep
        self.work, self.outside = self.base / "work", self.base / "outside"
        self._hidden = {self.work: self.base / "server-work", self.outside: self.base / "server-outside"}
        for path in [*self._hidden, *self._hidden.values(), self.base / "client-home", self.base / "server-home"]:
            path.mkdir()
        (self.work / "marker").write_text("the client's\n")
        there, outside = self._hidden.values()
        for name in ["nested", "secret", ".git", ".agents/skills/greet"]:
            (there / name).mkdir(parents=True)
        (there / "marker").write_text("the server's\n")
        (there / "AGENTS.md").write_text("Instructions that only the server has.\n")
        (there / ".agents/skills/greet/SKILL.md").write_text(
            "---\nname: greet\ndescription: A skill that only the server has.\n---\nSay hello.\n"
        )
        (there / "nested/file").write_text("nested\n")
        (there / "old-name.txt").write_text("old content\n")
        (there / "doomed.txt").write_text("doomed\n")
        (there / "made-before.txt").write_text("plain text\n")
        (there / "linked-to.txt").write_text("linked\n")
        (there / "link.txt").symlink_to("linked-to.txt")
        (there / "way-out").symlink_to(self.outside)
        (there / "red.png").write_bytes(image(8, 8))
        (there / "secret/red.png").write_bytes(image(9, 9))
        (there / "secret/file").write_text("old content\n")
        (there / "to-secret.png").symlink_to("secret/red.png")
        (outside / "target.txt").write_text("outside\n")

    def close(self):
        if not self.keep:
            shutil.rmtree(self.base, ignore_errors=True)

    def server_view(self, command):
        """The command, run where the server's directories lie over the client's."""
        mounts = [f"mount --bind {there} {here}" for here, there in self._hidden.items()]
        return [*NAMESPACE, "sh", "-ec", "; ".join([*mounts, f"cd {self.work}", "exec " + shlex.join(command)])]

    def server_environment(self):
        return {"PATH": PATH, "HOME": str(self.base / "server-home"), "CODEX_HOME": str(self.base / "server-home"), "PEER_HOST": "server"}

    def left_running(self):
        """Whether the process that a scenario left running is still there."""
        note = self._hidden[self.work] / "pid"
        if not note.exists():
            return False
        try:
            return b"sleep" in pathlib.Path(f"/proc/{note.read_text().strip()}/cmdline").read_bytes()
        except OSError:
            return False

    def secret_changed(self):
        """Whether anything in the hidden directory is other than it was put there."""
        secret = self._hidden[self.work] / "secret"
        names = sorted(path.name for path in secret.iterdir())
        return names != ["file", "red.png"] or (secret / "file").read_text() != "old content\n"

    def touched_by_client(self):
        """What is in the client's view beyond what was put there."""
        found = [str(path.relative_to(self.base)) for here in self._hidden for path in here.rglob("*")]
        return sorted(set(found) - {"work/marker"})


class Server:
    """A server that prints its URL, in the server's view, until closed."""

    def __init__(self, ground, command):
        self.log = open(ground.base / "server.log", "wb")
        self._child = subprocess.Popen(
            ground.server_view(command), env=ground.server_environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, text=True,
        )
        self.url = self._child.stdout.readline().strip()
        if not self.url.startswith("ws://"):
            raise RuntimeError(f"{command[0]} printed {self.url!r} instead of a URL")

    def close(self):
        self._child.terminate()
        self._child.wait(10)
        self.log.close()


class Remote:
    """A rendezvous of Lockgate's, and a server that registers there; `environment` is what a client is told of it."""

    def __init__(self, ground, lockgate, command, encrypts):
        self._log = open(ground.base / "remote.log", "wb")
        store = ["--store", str(ground.base / "store")]
        token = {}
        for role in ["executor", "harness"]:
            create = [lockgate, "rendezvous", "token", "create", *store, "--environment", "peer", "--role", role]
            token[role] = subprocess.run(create, check=True, capture_output=True, text=True).stdout.strip()
        self._rendezvous = subprocess.Popen(
            [lockgate, "rendezvous", "serve", *store], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        base = self._rendezvous.stdout.readline().strip()
        self._server = subprocess.Popen(
            ground.server_view([*command, "--remote", base, "--environment-id", "peer"]),
            env={**ground.server_environment(), "LOCKGATE_TOKEN": token["executor"], "CODEX_API_KEY": token["executor"]},
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
        )
        ask = urllib.request.Request(f"{base}/cloud/environments", headers={"Authorization": f"Bearer {token['harness']}"})
        for _ in range(200):
            with urllib.request.urlopen(ask, timeout=10) as answer:
                if json.load(answer)["environments"][0]["connected"]:
                    break
            time.sleep(0.05)
        else:
            raise RuntimeError(f"{command[0]} did not connect to the rendezvous")
        if encrypts:
            self.environment = {
                "CODEX_EXEC_SERVER_NOISE_REGISTRY_URL": base,
                "CODEX_EXEC_SERVER_NOISE_ENVIRONMENT_ID": "peer",
                "CODEX_EXEC_SERVER_NOISE_AUTH_TOKEN": token["harness"],
            }
        else:
            listed = subprocess.run([lockgate, "rendezvous", "token", "list", *store], check=True, capture_output=True, text=True)
            [name] = [line.split()[0] for line in listed.stdout.splitlines() if line.split()[1] == "harness"]
            url = [lockgate, "rendezvous", "url", *store, "--token", name, "--public-url", base]
            self.environment = subprocess.run(url, check=True, capture_output=True, text=True).stdout.strip()

    def close(self):
        for child in [self._server, self._rendezvous]:
            child.terminate()
            child.wait(10)
        self._log.close()


class Wire:
    """A TCP proxy that can cut every connection, and writes down which methods passed."""

    def __init__(self, url):
        self._target = (urlsplit(url).hostname, urlsplit(url).port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections, self.messages, self._open = 0, [], []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
            except OSError:
                return
            self.connections += 1
            self._open += [near, far]
            for source, sink, side in [(near, far, ">"), (far, near, "<")]:
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pump, args=(source, sink, side), daemon=True).start()

    def _pump(self, source, sink, side):
        reader = Frames()
        try:
            while data := source.recv(1 << 16):
                # Written down first: no answer may be seen before its question.
                self.messages += [(side, message) for message in reader.feed(data)]
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        for end in self._open:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._open.clear()

    def close(self):
        self._listener.close()
        self.cut()

    def refusals(self):
        """What was answered with an error: methods and codes, each once."""
        asked, found = {}, []
        for side, message in list(self.messages):
            if side == ">" and "method" in message:
                asked[message.get("id")] = message["method"]
            elif side == "<" and "error" in message:
                found.append(f"{asked.get(message.get('id'))} {message['error']['code']}")
        return sorted(set(found))

    def lost(self):
        """Output that the client asked for by `process/read` and that was gone: bytes pushed but never read."""
        pushed, read, reads = {}, {}, {}
        for side, message in list(self.messages):
            params, result = message.get("params"), message.get("result")
            if message.get("method") == "process/output":
                pushed[params["processId"], params["seq"]] = len(params["chunk"]) * 3 // 4
            elif message.get("method") == "process/read":
                reads[message["id"]] = params["processId"]
            elif side == "<" and isinstance(result, dict) and "chunks" in result:
                read |= {(reads[message["id"]], chunk["seq"]): True for chunk in result["chunks"]}
        polled = {process for process, _ in read}
        return sum(size for (process, seq), size in pushed.items() if process in polled and (process, seq) not in read)

    def methods(self):
        """How often the client asked for what."""
        counts = {}
        for side, message in self.messages:
            if side == ">" and "method" in message:
                counts[message["method"]] = counts.get(message["method"], 0) + 1
        return dict(sorted(counts.items()))


class Frames:
    """Just enough of websockets to read the JSON messages of one direction."""

    def __init__(self):
        self._data, self._upgraded, self._text = bytearray(), False, bytearray()

    def feed(self, data):
        self._data += data
        if not self._upgraded:
            end = self._data.find(b"\r\n\r\n")
            if end < 0:
                return
            del self._data[: end + 4]
            self._upgraded = True
        while len(self._data) >= 2:
            first, second = self._data[:2]
            length, start = second & 127, 2
            if length >= 126:
                width, code = (2, ">H") if length == 126 else (8, ">Q")
                if len(self._data) < 2 + width:
                    return
                [length], start = struct.unpack_from(code, self._data, 2), 2 + width
            mask = bytes(self._data[start : start + 4]) if second & 128 else b""
            start += len(mask)
            if len(self._data) < start + length:
                return
            payload = bytes(self._data[start : start + length])
            del self._data[: start + length]
            if first & 15 > 2:
                continue
            if mask:
                key = (mask * (length // 4 + 1))[:length]
                payload = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(length, "big")
            self._text += payload
            if first & 128:
                try:
                    yield json.loads(bytes(self._text))
                except ValueError:
                    pass
                self._text.clear()


# A profile that hides a directory; the older client has another word for it.
GUARDED = """default_permissions = "guarded"
[permissions.guarded.filesystem]
"/" = "read"
[permissions.guarded.filesystem.":workspace_roots"]
"." = "write"
"secret" = "{hidden}"
"""


def run_client(codex, ground, model, sandbox, environment, timeout=150):
    """One conversation of the real client; `environment` is a URL, variables, or a command to speak to over its stdio."""
    guarded, arguments = "", ["--sandbox", sandbox]
    if sandbox == "guarded":
        guarded, arguments = GUARDED.format(hidden="none" if "0.133" in codex else "deny"), []
    home = ground.base / "client-home"
    (home / "config.toml").write_text(
        'model = "gpt-5.5"\nmodel_provider = "scripted"\n'
        f"check_for_update_on_startup = false\n{guarded}[analytics]\nenabled = false\n"
        f'[model_providers.scripted]\nname = "scripted"\nbase_url = "{model.url}"\nwire_api = "responses"\n'
        "request_max_retries = 0\nstream_max_retries = 0\n"
    )
    variables = {"PATH": PATH, "HOME": str(home), "CODEX_HOME": str(home), "PEER_HOST": "client"}
    if isinstance(environment, str):
        variables["CODEX_EXEC_SERVER_URL"] = environment
    elif isinstance(environment, dict):
        variables.update(environment)
    else:
        program, *rest = ground.server_view(environment)
        pairs = ", ".join(f"{name} = {json.dumps(value)}" for name, value in ground.server_environment().items())
        (home / "environments.toml").write_text(
            'default = "peer"\n[[environments]]\nid = "peer"\n'
            f"program = {json.dumps(program)}\nargs = {json.dumps(rest)}\nenv = {{ {pairs} }}\n"
        )
    with open(ground.base / "client.log", "wb") as log:
        return subprocess.run(
            [codex, "exec", "--skip-git-repo-check", *arguments, "go"], cwd=ground.work, env=variables,
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, timeout=timeout,
        ).returncode

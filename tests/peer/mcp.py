#!/usr/bin/env python3
"""`lockgate mcp` with the protocol's official clients: the inspector and the TypeScript SDK (npm; `mcp.mjs` is what that does), and the Python SDK (PyPI).

    tests/peer/mcp.py                                   # needs npm, Python 3.10 and target/release/lockgate (make build)
    tests/peer/mcp.py --lockgate target/debug/lockgate

Downloads them into target/peer, and so is not part of `make test`. One line per conversation: `ok`, or `FAIL`, which fails.
"""

import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import venv

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / "target" / "peer" / "mcp"
INSPECTOR = "@modelcontextprotocol/inspector"
SDK = "@modelcontextprotocol/sdk"
TOKEN = "a-token-of-the-peers-0123456789"

# What the Python SDK does: asks, and is asked. Over stdio where it is given a program, else over HTTP.
ASKED = '''
import asyncio, sys
from mcp import Client, StdioServerParameters, types
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

async def main(says, mode, target, *more):
    asked = []
    async def elicit(context, params):
        asked.append(params.message)
        return types.ElicitResult(action="accept", content={"decision": says})
    if target.startswith("http"):
        headers = {"Authorization": "Bearer " + more[0]}
        server = streamable_http_client(target, http_client=create_mcp_http_client(headers=headers))
    else:
        server = StdioServerParameters(command=target, args=list(more))
    async with Client(server, mode=mode, elicitation_callback=elicit) as client:
        ran = await client.call_tool("run", {"argv": ["echo", "agreed"]})
        print(len(asked), ran.is_error, ran.content[0].text.split("\\n")[0])

asyncio.run(main(*sys.argv[1:]))
'''


def installed():
    """The inspector's program, beside which the TypeScript SDK is, and a Python with the other SDK."""
    CACHE.mkdir(parents=True, exist_ok=True)
    inspector = CACHE / "node_modules" / ".bin" / "mcp-inspector"
    if not inspector.exists() or not (CACHE / "node_modules" / SDK).exists():
        run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(CACHE), INSPECTOR, SDK], timeout=900)
    python = CACHE / "venv" / "bin" / "python"
    if not python.exists():
        venv.create(CACHE / "venv", with_pip=True)
    if subprocess.run([python, "-c", "import mcp"], capture_output=True).returncode != 0:
        run([str(python), "-m", "pip", "install", "--quiet", "mcp>=2.3,<3"], timeout=900)
    return str(inspector), str(python)


def run(command, timeout=120, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done


class Report:
    failed = False

    def __call__(self, name, holds, seen):
        print(f"{'ok  ' if holds else 'FAIL'} {name}" + ("" if holds else f"\n     {seen}"), flush=True)
        self.failed |= not holds


def inspect(inspector, target, method, tool=None, arguments=None):
    """One conversation of the inspector; its answer, and what it complains of."""
    command = [inspector, "--cli", *target, "--method", method]
    if tool:
        command += ["--tool-name", tool]
    for name, value in (arguments or {}).items():
        command += ["--tool-arg", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
    done = run(command)
    return json.loads(done.stdout), done.stderr


def conversations(report, inspector, name, target, folder):
    def call(tool, **arguments):
        answer, said = inspect(inspector, target, "tools/call", tool, arguments)
        report(f"{name}: {tool} is a call that the inspector has nothing to say about", said.strip() == "", said)
        return answer

    listed, said = inspect(inspector, target, "tools/list")
    tools = [tool["name"] for tool in listed["tools"]]
    report(f"{name}: the tools are listed and their schemas are good", {"run", "read", "search"} <= set(tools) and said.strip() == "", said or tools)
    written = call("write", path="peer.txt", content="one\ntwo\n")
    report(f"{name}: a file is written", (folder / "peer.txt").read_text() == "one\ntwo\n", written)
    edited = call("edit", path="peer.txt", edits=[{"old_text": "two", "new_text": "2"}])
    report(f"{name}: and edited", (folder / "peer.txt").read_text() == "one\n2\n", edited)
    read = call("read", path="peer.txt", start_line=2)
    report(f"{name}: and read", read["structuredContent"]["text"] == "2\n", read)
    found = call("search", pattern="^o", glob="*.txt")
    report(f"{name}: and found", found["structuredContent"]["matches"] == [{"path": "peer.txt", "line": 1, "text": "one"}], found)
    listing = call("list")
    report(f"{name}: and listed", "peer.txt" in listing["content"][0]["text"], listing)
    ran = call("run", command="cat peer.txt; exit 3")
    report(f"{name}: a command runs", (ran["structuredContent"]["stdout"], ran["structuredContent"]["exit_code"]) == ("one\n2\n", 3), ran)
    refused = call("read", path="not-there")
    report(f"{name}: what cannot be done is a tool's error", refused.get("isError") is True, refused)


def typescript(report, folder, *way):
    """What the TypeScript SDK does, which reports by itself."""
    script = pathlib.Path(__file__).with_name("mcp.mjs")
    done = subprocess.run(["node", str(script), str(CACHE), str(folder), *way], stdout=subprocess.PIPE, text=True, timeout=120)
    print(done.stdout, end="", flush=True)
    if done.returncode != 0:
        report(f"TypeScript SDK, {way[0]}: all of it", False, f"it ended with {done.returncode}")


@contextlib.contextmanager
def serving(report, lockgate, arguments, environment):
    """A server over HTTP, by its URL."""
    command = [lockgate, *arguments, "--listen", "127.0.0.1:0"]
    server = subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True)
    try:
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        report("http: the server ends when it is told to", server.wait(30) == 0, server.returncode)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lockgate", default=str(ROOT / "target" / "release" / "lockgate"))
    lockgate = str(pathlib.Path(parser.parse_args().lockgate).resolve())
    inspector, python = installed()
    report = Report()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name).resolve()
        served = ["mcp", "--cwd", str(folder), "--unrestricted"]
        conversations(report, inspector, "stdio", [lockgate, *served], folder)
        # The inspector that runs on Node 20 sends no headers.
        with serving(report, lockgate, [*served, "--no-token"], {}) as url:
            conversations(report, inspector, "http", [url, "--transport", "http"], folder)
        (folder / "ask.toml").write_text('[policy]\ndefault = "ask"\n')
        asking = [*served, "--config", str(folder / "ask.toml")]
        with serving(report, lockgate, asking, {"LOCKGATE_MCP_TOKEN": TOKEN}) as url:
            typescript(report, folder, "stdio", lockgate, *asking)
            typescript(report, folder, "http", url, TOKEN)
            for says, expected in [("allow", "1 False agreed"), ("deny", "1 True")]:
                for way, target in [("stdio", [lockgate, *asking]), ("http", [url, TOKEN])]:
                    for mode in ["legacy", "2026-07-28", "auto"]:
                        seen = run([python, "-c", ASKED, says, mode, *target]).stdout.strip()
                        report(f"Python SDK, {way}, {mode}: a person who says {says}", seen.startswith(expected), seen)
    sys.exit(1 if report.failed else 0)


if __name__ == "__main__":
    main()

"""An MCP server of the official Python SDK over Streamable HTTP, on the port of its argument or any; it prints which, and ends with its standard input."""

import os
import socket
import sys
import threading

import uvicorn
from mcp.server import MCPServer

server = MCPServer("from PyPI")


@server.tool()
def shout(text: str) -> str:
    """The text in capitals."""
    return text.upper()


def end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
listener = socket.create_server(("127.0.0.1", port))
print(listener.getsockname()[1], flush=True)
threading.Thread(target=end_with_input, daemon=True).start()
app = server.streamable_http_app()
uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])

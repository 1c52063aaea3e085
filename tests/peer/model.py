"""The model of a conversation, scripted: a Responses API on 127.0.0.1 that plays one scenario.

A scenario is a generator. What it yields is one turn of the model: a list of tool calls. What it gets back is the list
of what the client answered to them. When it returns, the model says "done" and the client ends.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def call(tool, **arguments):
    """A call of a function tool of the client."""
    return {"type": "function_call", "name": tool, "arguments": json.dumps(arguments)}


def patch(text):
    """A call of the free-form patch tool of the client."""
    return {"type": "custom_tool_call", "name": "apply_patch", "input": text}


class Model:
    """One conversation. `requests` keeps what the client sent, `failure` what went wrong in the scenario."""

    def __init__(self, scenario):
        self.requests, self.failure, self.finished = [], None, False
        self._scenario, self._pending, self._turn = scenario, None, 0
        self._lock = threading.Lock()
        model = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                self.answer(404, "application/json", b"{}")

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with model._lock:
                    events = model._events(body)
                text = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
                self.answer(200, "text/event-stream", text.encode())

            def answer(self, status, kind, body):
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def _events(self, body):
        self.requests.append(body)
        items = self._next_items(body) or [
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "done"}]}
        ]
        usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
        response = {"id": f"response-{self._turn}"}
        yield {"type": "response.created", "response": response}
        for item in items:
            yield {"type": "response.output_item.done", "item": item}
        yield {"type": "response.completed", "response": response | {"usage": usage}}

    def _next_items(self, body):
        try:
            if self._pending is None:
                items = next(self._scenario)
            else:
                answers = {item.get("call_id"): item.get("output") for item in body["input"] if "output" in item}
                items = self._scenario.send([answers.get(id) for id in self._pending])
        except StopIteration:
            self.finished = True
            return []
        except Exception as error:  # a scenario that stumbles over an answer is a finding, not a crash
            self.failure = f"{type(error).__name__}: {error}"
            return []
        self._turn += 1
        items = items if isinstance(items, list) else [items]
        self._pending = [f"call-{self._turn}-{number}" for number in range(len(items))]
        return [
            item | {"id": f"{'ctc' if item['type'].startswith('custom') else 'fc'}_{id}", "call_id": id}
            for item, id in zip(items, self._pending)
        ]

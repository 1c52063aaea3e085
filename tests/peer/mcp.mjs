// `lockgate mcp` with the TypeScript SDK of the Model Context Protocol as the client: what the inspector has no option for. `mcp.py` runs it.
//
//     node mcp.mjs MODULES FOLDER stdio PROGRAM ARGUMENT...
//     node mcp.mjs MODULES FOLDER http URL TOKEN
//
// The server works in FOLDER and asks about every command. One line per conversation, as `mcp.py` has them.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [modules, folder, way, ...target] = process.argv.slice(2);
const load = createRequire(join(modules, "node_modules/"));
const { Client } = load("@modelcontextprotocol/sdk/client/index.js");
const { StdioClientTransport } = load("@modelcontextprotocol/sdk/client/stdio.js");
const { StreamableHTTPClientTransport } = load("@modelcontextprotocol/sdk/client/streamableHttp.js");
const { ElicitRequestSchema } = load("@modelcontextprotocol/sdk/types.js");

let failed = false;
const report = (name, holds, seen) => {
  console.log(`${holds ? "ok  " : "FAIL"} TypeScript SDK, ${way}: ${name}${holds ? "" : `\n     ${JSON.stringify(seen)}`}`);
  failed ||= !holds;
};

// A client whose person says that; `asked` has the questions.
async function connect(says) {
  const client = new Client({ name: "peer", version: "1" }, { capabilities: { elicitation: {} } });
  const asked = [];
  let hear;
  const question = new Promise((resolve) => (hear = resolve));
  client.setRequestHandler(ElicitRequestSchema, async (request, extra) => {
    asked.push(request.params.message);
    hear();
    if (says === "nothing") return new Promise((_, fail) => extra.signal.addEventListener("abort", () => fail(new Error("withdrawn"))));
    return says === "decline" ? { action: "decline" } : { action: "accept", content: { decision: says } };
  });
  const transport =
    way === "stdio"
      ? new StdioClientTransport({ command: target[0], args: target.slice(1), stderr: "ignore" })
      : new StreamableHTTPClientTransport(new URL(target[0]), { requestInit: { headers: { Authorization: `Bearer ${target[1]}` } } });
  await client.connect(transport);
  return { client, transport, asked, question };
}

const call = (client, name, args, options) => client.callTool({ name, arguments: args }, undefined, options);

async function tools() {
  const { client } = await connect("allow");
  const { tools } = await client.listTools();
  report("the tools are listed", tools.length === 11 && tools.every((tool) => tool.outputSchema), tools.map((tool) => tool.name));
  // With an output schema at hand the SDK checks each structured answer against it.
  const does = async (name, args, holds) => {
    const answer = await call(client, name, args);
    report(`\`${name}\` answers as its schema says`, !answer.isError && holds(answer.structuredContent), answer);
    return answer.structuredContent;
  };
  await does("write", { path: "sdk.txt", content: "one\ntwo\n" }, (got) => got.created === true);
  await does("edit", { path: "sdk.txt", edits: [{ old_text: "two", new_text: "2" }] }, (got) => got.replacements === 1);
  await does("read", { path: "sdk.txt" }, (got) => got.text === "one\n2\n");
  await does("search", { pattern: "^o", glob: "sdk.*" }, (got) => got.matches.length === 1);
  await does("list", {}, (got) => got.entries.some((entry) => entry.name === "sdk.txt"));
  await does("move", { from: "sdk.txt", to: "moved.txt" }, (got) => got.path === "moved.txt");
  await does("remove", { path: "moved.txt" }, (got) => got.path === "moved.txt");
  const { process } = await does("run", { argv: ["cat"], interactive: true, wait_seconds: 0 }, (got) => got.status === "running");
  await does("process_write", { process, text: "hello\n" }, (got) => got.process === process);
  await does("process_output", { process, wait_seconds: 0 }, (got) => got.process === process);
  await does("process_stop", { process }, (got) => got.status !== "running");
  const missing = await call(client, "read", { path: "not-there" });
  report("what cannot be done is a tool's error", missing.isError === true, missing);
  await client.close();
}

async function answers() {
  for (const [says, words] of [["deny", "a person was asked and denied it"], ["decline", "a person was asked and declined"]]) {
    const { client, asked } = await connect(says);
    const answer = await call(client, "run", { argv: ["touch", "sdk-done"] });
    const refused = answer.isError === true && answer.content[0].text.includes(words) && asked.length === 1;
    report(`a person who says ${says}`, refused && !existsSync(join(folder, "sdk-done")), answer);
    await client.close();
  }
}

async function cancelled() {
  const { client, question } = await connect("nothing");
  const cancel = new AbortController();
  const answer = call(client, "run", { argv: ["touch", "sdk-done"] }, { signal: cancel.signal }).then(
    (got) => got,
    (error) => error,
  );
  await question;
  cancel.abort("enough");
  const got = await answer;
  const list = await client.listTools();
  report("a call that is cancelled while it asks, and the session after it", got instanceof Error && list.tools.length > 0 && !existsSync(join(folder, "sdk-done")), String(got));
  await client.close();
}

async function again() {
  const { client, transport } = await connect("allow");
  const other = new StreamableHTTPClientTransport(new URL(target[0]), {
    sessionId: transport.sessionId,
    requestInit: { headers: { Authorization: `Bearer ${target[1]}` } },
  });
  await transport.terminateSession();
  const code = await other.send({ jsonrpc: "2.0", id: 1, method: "tools/list" }).then(() => 200, (error) => error.code);
  report("a session that was deleted is 404", code === 404, code);
  await client.close();
  const fresh = await connect("allow");
  report("and a new one is begun", (await fresh.client.listTools()).tools.length > 0, "no tools");
  await fresh.client.close();
}

await tools();
await answers();
await cancelled();
if (way === "http") await again();
process.exit(failed ? 1 : 0);

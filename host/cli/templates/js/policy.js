// What {{name}} decides: programs that the operator listed start, about others somebody is asked; files are
// changed below one directory, and read everywhere. The configuration has lines "program PATH" and one "root PATH".
import { text } from 'lockgate:policy/config@0.1.1';

let settings; // read once

const isBelow = (path, root) => path === root || path.startsWith(root + '/');

function load() {
  if (settings) return settings;
  const programs = new Set();
  let root;
  for (const line of text().split('\n').map((line) => line.trim())) {
    if (line === '' || line.startsWith('#')) continue;
    const [, word, path] = /^(program|root)\s+(\/.*[^/])$/.exec(line) ?? [];
    if (word === 'program') programs.add(path);
    else if (word === 'root' && !root) root = path;
    else throw `not understood: "${line}"; there are "program PATH" and one "root PATH", both absolute`;
  }
  if (!root) throw 'a line "root PATH" is missing: the directory below which files may be changed';
  for (const program of programs) if (isBelow(program, root)) throw `${program} is below ${root}, where the client can change it`;
  return (settings = { programs, root });
}

const allow = (rule, narrowing) => ({ decision: { tag: 'allow' }, rule, narrowing });
const deny = (rule, reason) => ({ decision: { tag: 'deny', val: reason }, rule });
const ask = (rule, prompt) => ({ decision: { tag: 'ask', val: prompt }, rule });

function start({ argv, program }, { programs }) {
  // `program` is the file that will be executed. argv[0] is only what the client calls it.
  if (programs.has(program)) return allow('program');
  return ask('program', `Start ${program ?? argv[0]}? It is not on the list.`);
}

function file({ paths }, { root }) {
  if (!paths.every(({ path, access }) => access !== 'write' || isBelow(path, root))) {
    return deny('root', `Files are changed below ${root} only.`);
  }
  // Paths are names. That nothing leaves the root by a link is what the host makes sure of, with this.
  const grant = [{ path: '/', access: 'read' }, { path: root, access: 'write' }];
  return allow('root', { grant, dropEnv: [] });
}

// What is thrown is an error: in `describe` it refuses the policy, in `evaluate` the action.
export const evaluator = {
  describe() {
    load();
    return {
      name: '{{name}}',
      version: '0.1.0',
      summary: 'Listed programs start, files are changed below one directory',
      actions: ['process-start', 'file'],
    };
  },

  evaluate(subject, action) {
    switch (action.tag) {
      case 'process-start': return start(action.val, load());
      case 'file': return file(action.val, load());
      default: return { decision: { tag: 'abstain' } };
    }
  },
};

// What {{name}} decides: programs that the operator listed start, about others somebody is asked; files are
// changed below one directory, and read everywhere. The configuration has lines "program PATH" and one "root PATH".
#include "policy.h"
#include <stdlib.h>
#include <string.h>

#define NAME "{{name}}"
#define VERSION "0.1.0"
#define SUMMARY "Listed programs start, files are changed below one directory"

typedef policy_string_t text;

static struct { text *program; size_t programs; text root; bool read; } settings;

static bool same(text a, text b) { return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0; }
static bool begins(text a, text b) { return a.len >= b.len && memcmp(a.ptr, b.ptr, b.len) == 0; }
static bool is_below(text path, text root) {
  return begins(path, root) && (path.len == root.len || path.ptr[root.len] == '/');
}
static text join(const char *before, text middle, const char *after) { // what it gives is the host's to free
  size_t first = strlen(before), last = strlen(after);
  text joined = {malloc(first + middle.len + last + 1), first + middle.len + last};
  memcpy(joined.ptr, before, first);
  memcpy(joined.ptr + first, middle.ptr, middle.len);
  memcpy(joined.ptr + first + middle.len, after, last);
  return joined;
}
static text copy(const char *words) { return join(words, (text){0}, ""); }

// Reads the configuration, once. An error refuses the policy, and the operator reads it.
static bool load(text *error) {
  if (settings.read) return true;
  text all;
  lockgate_policy_config_text(&all);
  settings.program = malloc((all.len + 1) * sizeof(text)); // no more lines than bytes
  settings.programs = 0, settings.root.len = 0;
  for (size_t at = 0; at < all.len;) {
    text line = {all.ptr + at, 0};
    while (at < all.len && all.ptr[at++] != '\n') line.len++;
    while (line.len && line.ptr[line.len - 1] <= ' ') line.len--;
    while (line.len && *line.ptr <= ' ') line.ptr++, line.len--;
    if (!line.len || *line.ptr == '#') continue;
    bool program = begins(line, (text){(uint8_t *)"program /", 9}), root = begins(line, (text){(uint8_t *)"root /", 6});
    text path = {line.ptr + (program ? 8 : 5), line.len - (program ? 8 : 5)};
    if ((!program && !root) || path.ptr[path.len - 1] == '/' || (root && settings.root.len)) {
      *error = join("not understood: \"", line, "\"; there are \"program PATH\" and one \"root PATH\", both absolute");
      return false;
    }
    if (program) settings.program[settings.programs++] = path;
    else settings.root = path;
  }
  if (!settings.root.len) {
    *error = copy("a line \"root PATH\" is missing: the directory below which files may be changed");
    return false;
  }
  for (size_t i = 0; i < settings.programs; i++)
    if (is_below(settings.program[i], settings.root)) {
      *error = join("", settings.program[i], " is below the root, where the client can change it");
      return false;
    }
  return settings.read = true;
}

bool exports_lockgate_policy_evaluator_describe(exports_lockgate_policy_evaluator_description_t *is, text *error) {
  if (!load(error)) return false;
  is->name = copy(NAME), is->version = copy(VERSION), is->summary = copy(SUMMARY);
  is->actions.ptr = malloc(is->actions.len = 2);
  is->actions.ptr[0] = LOCKGATE_POLICY_TYPES_ACTION_KIND_PROCESS_START;
  is->actions.ptr[1] = LOCKGATE_POLICY_TYPES_ACTION_KIND_FILE;
  return true;
}

static void answer(exports_lockgate_policy_evaluator_verdict_t *is, uint8_t decision, text words, const char *rule) {
  is->decision.tag = decision;
  is->decision.val.deny = words; // a question is at the same place
  is->rule = (policy_option_string_t){true, copy(rule)};
}

static void start(lockgate_policy_types_process_start_t *asked, exports_lockgate_policy_evaluator_verdict_t *is) {
  // The file that will be executed. argv[0] is only what the client calls it.
  text program = asked->program.is_some ? asked->program.val : asked->argv.ptr[0];
  for (size_t i = 0; asked->program.is_some && i < settings.programs; i++)
    if (same(program, settings.program[i])) return answer(is, LOCKGATE_POLICY_TYPES_DECISION_ALLOW, (text){0}, "program");
  answer(is, LOCKGATE_POLICY_TYPES_DECISION_ASK, join("Start ", program, "? It is not on the list."), "program");
}

static void file(lockgate_policy_types_file_operation_t *asked, exports_lockgate_policy_evaluator_verdict_t *is) {
  for (size_t i = 0; i < asked->paths.len; i++) {
    lockgate_policy_types_file_path_t path = asked->paths.ptr[i];
    if (path.access == LOCKGATE_POLICY_TYPES_ACCESS_WRITE && !is_below(path.path, settings.root))
      return answer(is, LOCKGATE_POLICY_TYPES_DECISION_DENY, join("Files are changed below ", settings.root, " only."), "root");
  }
  answer(is, LOCKGATE_POLICY_TYPES_DECISION_ALLOW, (text){0}, "root");
  // Paths are names. That nothing leaves the root by a link is what the host makes sure of, with this.
  lockgate_policy_types_grant_entry_t *grant = malloc(2 * sizeof *grant);
  grant[0] = (lockgate_policy_types_grant_entry_t){copy("/"), {true, LOCKGATE_POLICY_TYPES_ACCESS_READ}};
  grant[1] = (lockgate_policy_types_grant_entry_t){join("", settings.root, ""), {true, LOCKGATE_POLICY_TYPES_ACCESS_WRITE}};
  is->narrowing.is_some = is->narrowing.val.grant.is_some = true;
  is->narrowing.val.grant.val = (lockgate_policy_types_list_grant_entry_t){grant, 2};
}

bool exports_lockgate_policy_evaluator_evaluate(exports_lockgate_policy_evaluator_subject_t *subject,
    exports_lockgate_policy_evaluator_action_t *action, exports_lockgate_policy_evaluator_verdict_t *is, text *error) {
  if (!load(error)) return false;
  *is = (exports_lockgate_policy_evaluator_verdict_t){.decision.tag = LOCKGATE_POLICY_TYPES_DECISION_ABSTAIN};
  if (action->tag == LOCKGATE_POLICY_TYPES_ACTION_PROCESS_START) start(&action->val.process_start, is);
  if (action->tag == LOCKGATE_POLICY_TYPES_ACTION_FILE) file(&action->val.file, is);
  exports_lockgate_policy_evaluator_subject_free(subject);
  exports_lockgate_policy_evaluator_action_free(action);
  return true;
}

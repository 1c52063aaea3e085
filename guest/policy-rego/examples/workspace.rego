package lockgate

default allow := false

# Files: read everywhere, change below the roots; the host holds it to that, whatever names lead to.
allow if {
	input.action.kind == "file"
	every path in input.action.paths {
		permitted(path)
	}
}

permitted(path) if path.access != "write"

permitted(path) if {
	some root in data.roots
	below(path.path, root)
}

# By whole names: /workshop is not below /work.
below(path, root) if path == root

below(path, root) if startswith(path, concat("", [root, "/"]))

narrowing.grant := array.concat([{"path": "/", "access": "read"}], [{"path": root, "access": "write"} | some root in data.roots]) if {
	input.action.kind == "file"
}

deny contains {"msg": "files of the name .env hold secrets: ask the person whom you work for to tell what you need of them", "rule": "secrets"} if {
	some path in input.action.paths
	regex.match(`/\.env[^/]*$`, path.path)
}

# Programs: git, started below the roots. A push needs somebody's agreement.
allow if {
	input.action.kind == "process-start"
	input.action.program == "/usr/bin/git"
	some root in data.roots
	below(input.action.cwd, root)
}

narrowing.drop_env contains name if {
	input.action.kind == "process-start"
	some name in {"GITHUB_TOKEN", "SSH_AUTH_SOCK"}
}

narrowing.time_limit := 600000 if input.action.kind == "process-start"

ask contains {"msg": "The client wants to push commits to another repository. May it?", "rule": "push"} if {
	input.action.kind == "process-start"
	"push" in input.action.argv
}

allow if {
	input.action.kind == "process-write"
	endswith(input.action.argv0, "git")
}

# HTTP: to be read, from these hosts.
allow if {
	input.action.kind == "http"
	input.action.method in {"GET", "HEAD"}
	startswith(input.action.url, "https://")
	input.action.host in data.hosts
}

narrowing.output_limit := 10000000 if input.action.kind == "http"

--- data
{
  "roots": ["/work"],
  "hosts": ["example.com", "api.example.com"]
}

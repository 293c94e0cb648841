"""Fastify with pg, on Node.js (bench/rivals/fastify)."""

import shutil

from measure.machine import BENCH, TOOLS, told
from measure.rivals.handwritten import HandwrittenPostgres

SERVER = TOOLS / "fastify/server.js"


class Fastify(HandwrittenPostgres):
    """Asked as the server by hand is, and as it runs as whoever logs in."""

    def __init__(self, name, options, cluster):
        super().__init__(name, options, cluster)
        self.title = "Fastify, pg"

    @classmethod
    def missing(cls, options):
        if shutil.which("node") is None:
            return "Node.js is not there"
        return None if SERVER.is_file() else "not installed (`bench/run --install`)"

    def command(self):
        # Beside its modules, where Node.js looks for them.
        shutil.copy(BENCH / "rivals/fastify/server.js", SERVER)
        return ["node", SERVER, self.cluster.folder, self.port, self.options.pool]

    def environment(self):
        return {"PATH": "/usr/local/bin:/usr/bin:/bin", "NODE_ENV": "production"}

    def version(self):
        package = TOOLS / "fastify/node_modules"
        versions = [told("node", "-p", f"require('{package}/{name}/package.json').version") for name in ("fastify", "pg")]
        return f"Fastify {versions[0]}, pg {versions[1]}, Node.js {told('node', '--version')}"

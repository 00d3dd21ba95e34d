"""The bare minimum of a tick that starts backups: python -m tests.bench.sending FILE sends what a tick has sent.

FILE holds a line of JSON for each resource: its requests in their order, each a kind of write with its body. Resources
go side by side as in a tick, the requests of one follow each other.
"""

import json
import sys
from pathlib import Path

from reconciler.cluster import CONCURRENCY
from tests.bench.client import Client, collection


def main():
    client = Client(threads=CONCURRENCY)

    def send(line):
        for verb, body, options in json.loads(line):
            if verb == "apply":
                client.apply(body, **options)
            else:
                client.request("POST", collection("Event", body["metadata"]["namespace"]), body=body)

    lines = Path(sys.argv[1]).read_text().splitlines()
    client.each(send, lines)


if __name__ == "__main__":
    main()

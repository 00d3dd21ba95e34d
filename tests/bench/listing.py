"""The bare minimum of a tick: python -m tests.bench.listing reads every list that a tick reads, and forgets it."""

import json

from reconciler.naming import SELECTOR
from tests.bench.client import Client

LISTS = {
    "ReplicationSource": "",
    "ReplicationDestination": "",
    "PersistentVolumeClaim": "",
    "Job": SELECTOR,
    "Pod": SELECTOR,
    "VolumeSnapshot": SELECTOR,
    "Namespace": "",
}


def main():
    client = Client()
    pages = objects = 0
    for kind, selector in LISTS.items():
        for page in client.pages(kind, selector=selector):
            pages += 1
            objects += len(page["items"] or ())
    print(json.dumps({"requests": pages, "objects": objects}))


if __name__ == "__main__":
    main()

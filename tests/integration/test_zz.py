import pytest
from tests.integration.test_crashes import second_image_is_ready
from tests.integration.stage import MortalServer
pytestmark = pytest.mark.integration
def test_x(new_stage):
    bad = 0
    for n in range(60):
        s = new_stage(); log=[]
        orig = s.tick
        def tick(*, after=0, cluster=None, **k):
            m = cluster or s.connect(MortalServer)
            o = orig(after=after, cluster=m, **k); log.append((after, o["copy"].what if "copy" in o else None, o["copy"].message if "copy" in o else None, m.sent[6:])); return o
        s.tick = tick
        second_image_is_ready(s)
        tick(after=100)
        if log[-1][3] != ["patch", "post"]:
            bad += 1
            print(n); [print("  ", x) for x in log]
            print([ (v["metadata"]["name"], v["metadata"]["creationTimestamp"]) for k in ("Job","VolumeSnapshot") for v in s.list(k)])
            print(s.status("copy","ReplicationDestination"))
            if bad == 2: break
    assert not bad

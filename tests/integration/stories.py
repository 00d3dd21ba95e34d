"""Beginnings that several stories share."""


def backed_up(stage, **restic):
    """A source whose first backup is over, and whose chore comes with the slot."""
    stage.source(spec={"trigger": {"manual": "first"}}, restic=restic)
    stage.tick(after=-100)
    stage.take_snapshots()
    stage.tick(after=-95)
    stage.run_movers()
    for after in (-90, -85, -80):
        stage.tick(after=after)
        stage.collect_garbage()

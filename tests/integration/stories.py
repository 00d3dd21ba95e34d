"""Beginnings that several stories share."""


def with_hooks(stage, *claims, **restic):
    """A source with hooks, of these claims if there are any, in a namespace that allows them."""
    stage.allow_hooks()
    for name in ("freeze", "thaw"):
        stage.pod_template(name)
    hooks = {"before": {"podTemplate": "freeze"}, "after": {"podTemplate": "thaw", "deadline": "2m"}}
    if claims:
        stage.selecting(*claims, hooks=hooks, restic=restic)
    else:
        stage.source(spec={"hooks": hooks}, restic=restic)


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


def after_hook_fails(stage):
    """A backup ends well, and what was to let its application go on does not: the application may still be frozen."""
    with_hooks(stage)
    stage.tick()
    stage.run_hooks()
    stage.tick(after=5)
    stage.take_snapshots()
    stage.tick(after=10)
    stage.run_movers()
    stage.run_hooks(well=False)
    stage.tick(after=15)

-- Each new value asks for one run.
local os = require("os")
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["scribe.backube/sync-requested-at"] = os.date("!%Y-%m-%dT%H:%M:%SZ")
return obj

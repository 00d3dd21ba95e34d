-- Only the pause that these actions set can be ended by them; any value but "false" pauses.
local value = (obj.metadata.annotations or {})["scribe.backube/paused"]
local paused = value ~= nil and value ~= "false"
return {
  ["sync-now"] = {["displayName"] = "Sync now", ["disabled"] = false},
  ["pause"] = {["displayName"] = "Pause", ["disabled"] = paused},
  ["resume"] = {["displayName"] = "Resume", ["disabled"] = not paused},
}

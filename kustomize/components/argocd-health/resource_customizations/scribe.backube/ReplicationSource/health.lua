-- Health of a ReplicationSource or a ReplicationDestination, in the words of the condition that decides.
-- The status follows kstatus: observedGeneration says which spec it is about, and Stalled and Reconciling are there only
-- while they are True. A paused one is Healthy: Suspended would keep the later waves of a sync waiting until it ends.
local status = obj.status or {}
if status.observedGeneration ~= obj.metadata.generation then
  return {status = "Progressing", message = "waiting for a tick of Quill that sees this generation"}
end

local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local function is(type, value)
  return conditions[type] ~= nil and conditions[type].status == value
end

if is("Stalled", "True") then
  return {status = "Degraded", message = conditions.Stalled.message}
end
if is("Reconciling", "True") then
  return {status = "Progressing", message = conditions.Reconciling.message}
end
if is("Ready", "True") then
  return {status = "Healthy", message = conditions.Ready.message}
end
if is("Ready", "False") then
  return {status = "Degraded", message = conditions.Ready.message}
end
return {status = "Progressing", message = "waiting for a tick of Quill that says whether it is ready"}

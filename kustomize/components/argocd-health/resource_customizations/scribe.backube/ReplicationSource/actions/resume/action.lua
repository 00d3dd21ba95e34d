-- A pause by spec.paused, of the namespace or of everything stays.
if obj.metadata.annotations ~= nil then
  obj.metadata.annotations["scribe.backube/paused"] = nil
end
return obj

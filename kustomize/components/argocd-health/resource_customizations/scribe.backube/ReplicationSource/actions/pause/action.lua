-- An annotation that is not in Git is no difference: unlike spec.paused it survives self-heal.
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["scribe.backube/paused"] = "true"
return obj

"""Custom resources as users write them, for the verbs that read files."""

SOURCE = """
apiVersion: scribe.backube/v1alpha1
kind: ReplicationSource
metadata: {name: nightly, namespace: shop}
spec: {sourcePVC: data, trigger: {schedule: 0 3 * * *}, restic: {resticConfig: repository}}
"""
DESTINATION = """
apiVersion: scribe.backube/v1alpha1
kind: ReplicationDestination
metadata: {name: copy, namespace: dest}
spec:
  trigger: {manual: once}
  restic: {resticConfig: repository, capacity: 1Gi, accessModes: [ReadWriteOnce]}
"""

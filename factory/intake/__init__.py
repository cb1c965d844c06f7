"""Where beads come from: titles and files that people give, the items of other trackers, and the set-up of a
repository that has none yet.

Start reading at ``describe``; for other trackers at ``importing``, which joins a reader (``beads_jsonl``,
``github_issues``, ``factory_jsonl``) to the pure ``import_plan`` and the store.
"""

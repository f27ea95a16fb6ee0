"""The restore drill: is a backup one from which everything comes back?

``python -m deploy.restore_drill`` puts the latest backup into a scratch server, and proves
it there.
"""

"""The cabinet («Личный кабинет»): pages for people, on the operations of the API.

Reading order: :mod:`page` (the entrypoint and the way of a request), :mod:`visit` (what a page
works with), :mod:`forms` (text fields to the API's shapes), :mod:`pages` (the pages by subject),
``templates/`` and ``static/``.
"""

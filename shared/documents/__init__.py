"""Papers as PDF: how they are typeset, and the forms that staff and the cabinet both print.

:mod:`typesetting` compiles a form, a template of typst, with its data; :mod:`papers` are the forms
in ``forms/`` with their words in both languages; :mod:`printing` makes one in a process of its own.
"""

"""Documents for people: bills, statements, receipts, rules; as PDF, and tables as CSV and XLSX.

Reading order: :mod:`engine` (typst, out of the hub), :mod:`payees` and :mod:`payment_code` (whom a
bill pays, and its QR), then one module for each document: it turns an answer of the API into the
data of its template in ``templates/``.
"""

"""A thousand orders through every kind of trouble, judged from outside.

Persons pay over the API and on the pages of both banks, with repeated keys, parallel starts and
changed sums, while faults at the banks come and go and processes are killed with -9. All the time
what a payer is shown is compared with what the banks have done, and at the end the books of banks,
payments, ledger and cash register are compared to the kopeck:

    python -m tests.faults.thousand_orders --orders 1000 --seed 7 --minutes 20

Reading order: `banks` (what they have taken), `payers`, `trouble`, `honesty`, `books`, `own_books`,
`run`.
"""

-- A row of balances that owes nothing is a third of one that owes a bill of eight services. With
-- half of each page free, two thirds of the first bills found no place beside the old version of
-- their row, and wrote both indexes. With three quarters free all find it: the update costs half,
-- and the table, which was going to grow by those bills anyway, ends hardly larger.
ALTER TABLE balances SET (fillfactor = 25);

-- A row of balances that owes nothing is a third of one that owes a bill of eight services. With
-- half of each page free, two thirds of the first bills found no place beside the old version of
-- their row, and wrote both indexes; with three quarters free, none: the update costs half, and
-- the table is as large afterwards, because it was going to grow anyway.
ALTER TABLE balances SET (fillfactor = 25);

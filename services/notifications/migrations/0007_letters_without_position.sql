-- Staff list letters by age; nothing asks for their order in the log.
DROP INDEX letters_by_position;

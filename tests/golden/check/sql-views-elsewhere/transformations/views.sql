-- one
-- two
CREATE TEMPORARY VIEW shared AS
SELECT id, amoun
FROM STREAM raw;

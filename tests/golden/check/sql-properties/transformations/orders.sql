CREATE STREAMING TABLE a TBLPROPERTIES ('millrace.outputmode' = 'append') AS SELECT id FROM STREAM raw;
CREATE STREAMING TABLE b TBLPROPERTIES ('millrace.outputMode' = 'update', 'delta.x' = '1') AS SELECT id FROM STREAM raw;

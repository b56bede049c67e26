FROM t SELECT i, i + 1 AS j, j * 2 AS k GROUP BY ALL

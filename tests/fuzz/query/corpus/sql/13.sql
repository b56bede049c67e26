SELECT * EXCEPT (a, m), t.st.* FROM t WHERE EXISTS (SELECT 1) OR i = (SELECT max(i) FROM t)

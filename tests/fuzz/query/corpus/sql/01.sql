SELECT st.x, st.z.p, st.z[0].q, m['k'], a[0] FROM t

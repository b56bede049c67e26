-- One flat row a user. Runs unchanged on Spark >= 4.2 (spark-pipelines).
CREATE STREAMING TABLE created_users AS
SELECT login.uuid                                   AS id,
       name.first                                   AS first_name,
       name.last                                    AS last_name,
       gender,
       concat_ws(', ', concat_ws(' ', location.street.number, location.street.name),
                 location.city, location.state, location.country) AS address,
       location.postcode                            AS post_code,
       email, login.username                        AS username,
       dob.date AS dob, registered.date             AS registered_date,
       phone, picture.medium                        AS picture
FROM STREAM users_created;

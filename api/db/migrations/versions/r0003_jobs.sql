-- The queue's functions and triggers name its tables without their schema.
DO $$
DECLARE
    made RECORD;
BEGIN
    FOR made IN SELECT oid::regprocedure AS signature FROM pg_proc WHERE pronamespace = 'jobs'::regnamespace LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = jobs, pg_temp', made.signature);
    END LOOP;
END
$$;

-- Put a job into the queue, in the transaction of whoever asks for it. Returns NULL where one with the same lock waits
-- already. The caller needs no right to the queue: it can neither read it nor change what is in it.
CREATE FUNCTION enqueue_job(
    task TEXT, arguments JSONB, lock TEXT, queueing_lock TEXT, run_at TIMESTAMP WITH TIME ZONE
)
RETURNS BIGINT LANGUAGE plpgsql SECURITY DEFINER SET search_path = jobs, pg_temp AS $$
BEGIN
    RETURN (procrastinate_defer_jobs_v1(
        ARRAY[ROW('default', task, 0, lock, queueing_lock, arguments, run_at)::procrastinate_job_to_defer_v1]
    ))[1];
EXCEPTION
    WHEN unique_violation THEN RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION enqueue_job(TEXT, JSONB, TEXT, TEXT, TIMESTAMP WITH TIME ZONE) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION enqueue_job(TEXT, JSONB, TEXT, TEXT, TIMESTAMP WITH TIME ZONE) TO baytide_service;

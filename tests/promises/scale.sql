-- A million finished runs, 200,000 live jobs in every state, 3,000 dead letters of 26 causes, three workers that live and two that
-- do not.
set synchronous_commit = off;
insert into piton.workers (boot_id,name,host,pid,slots,lease,serves,started_at)
 select gen_random_uuid(),'w'||n,'host',n,32,interval '30 s',array(select id from piton.workflows), now()-interval '3 h' from generate_series(1,3) n;
insert into piton.workers (boot_id,name,host,pid,slots,lease,serves,started_at,last_seen,stopped_at,stop_reason,cleared)
 select gen_random_uuid(),'gone'||n,'host',n,32,interval '30 s',array(select id from piton.workflows), now()-interval '9 h',now()-interval '2 h',now()-interval '2 h','lost',true from generate_series(1,2) n;
with v as (select w.id wid, w.current_version_id vid, row_number() over (order by name)-1 n from piton.workflows w),
r as (insert into piton.runs(uuid,version_id,input,state,started_at,finished_at)
 select piton.new_id(), v.vid, json_build_object('tenant','t'||(g%500),'n',g), 'done', now()-g*interval '2 s'- interval '1 min', now()-g*interval '2 s'
 from generate_series(1,1000000) g join v on v.n=g%3 returning id,version_id,started_at,finished_at)
insert into piton.checkpoints(run_id,stage,item,attempt,worker_id,started_at,finished_at,bytes,digest,output)
 select r.id,s,-1,1,(select min(id) from piton.workers where name like 'w%'),r.started_at,r.finished_at,2,sha256('{}'),'{}' from r, generate_series(0,2) s;
with v as (select w.id wid, w.current_version_id vid, row_number() over (order by name)-1 n from piton.workflows w),
g as (select g, v.vid, v.wid, case when g%100<60 then 'ready' when g%100<85 then 'scheduled' when g%100<99 then 'limited' else 'suspect' end as state from generate_series(1,200000) g join v on v.n=g%3),
r as (insert into piton.runs(uuid,version_id,input,started_at) select piton.new_id(), g.vid, json_build_object('tenant','t'||(g%500),'n',g,'state',case when g.state='limited' and g%3=2 then 'ready' else g.state end), now()-g.g*interval '0.1 s' from g returning id,version_id,input,started_at),
j as (insert into piton.jobs(run_id,workflow_id,version_id,stage,state,attempt,deaths,due_at,since,item,until,limit_id)
 select r.id, w.id, r.version_id, 1, r.input->>'state', case r.input->>'state' when 'scheduled' then 2 when 'suspect' then 1 else 0 end, (r.input->>'state'='suspect')::int, case r.input->>'state' when 'scheduled' then now()+interval '10 min'*random() else r.started_at end, r.started_at, 0,1,
   case when r.input->>'state'='limited' then (select l.id from piton.stage_limits l where l.workflow_id=w.id) end
 from r join piton.workflows w on w.current_version_id=r.version_id returning run_id,state),
a as (insert into piton.attempts(run_id,stage,item,attempt,outcome,class,message,worker_id,started_at,ended_at,retry_at)
 select j.run_id,1,0,n,'failed',case j.run_id%2 when 0 then 'rate_limited' else 'network_timeout' end,case j.run_id%2 when 0 then '429 Too Many Requests: quota of 60 per minute for key sk-'||j.run_id else 'connect to 10.0.0.'||j.run_id%250||':443 timed out' end,(select min(id) from piton.workers where name like 'w%'),now()-n*interval '5 min',now()-n*interval '4 min',now()+interval '5 min' from j, generate_series(1,2) n where j.state='scheduled'),
o as (insert into piton.joins(run_id,stage,missing) select j.run_id,2,1 from j)
insert into piton.checkpoints(run_id,stage,item,attempt,worker_id,started_at,finished_at,bytes,digest,output)
 select r.id,0,-1,1,(select min(id) from piton.workers where name like 'w%'),r.started_at,r.started_at,2,sha256('{}'),'{}' from r;
with v as (select w.id wid, w.current_version_id vid, row_number() over (order by name)-1 n from piton.workflows w),
r as (insert into piton.runs(uuid,version_id,input,state,started_at) select piton.new_id(), v.vid, json_build_object('tenant','t'||(g%40),'n',g), 'blocked', now()-g*interval '10 s' from generate_series(1,3000) g join v on v.n=g%3 returning id,version_id,input,started_at),
k as (insert into piton.checkpoints(run_id,stage,item,attempt,worker_id,started_at,finished_at,bytes,digest,output)
 select r.id,0,-1,1,(select min(id) from piton.workers where name like 'w%'),r.started_at,r.started_at,2,sha256('{}'),'{}' from r),
a as (insert into piton.attempts(run_id,stage,item,attempt,outcome,class,message,worker_id,started_at,ended_at)
 select r.id,1,-1,n,'failed','invalid_input','cause '||chr(97+(r.input->>'n')::int%26)||': no row '||r.id,(select min(id) from piton.workers where name like 'w%'),r.started_at,r.started_at from r, generate_series(1,3) n)
insert into piton.dead_letters(id,run_id,workflow_id,version_id,stage,item,attempt,rank,class,message,fingerprint,worker_id,dead_at)
 select gen_random_uuid(),r.id,w.id,r.version_id,1,-1,3,0,'invalid_input','cause '||chr(97+(r.input->>'n')::int%26)||': no row '||r.id,lpad(to_hex((r.input->>'n')::int%26),16,'0'),(select min(id) from piton.workers where name like 'w%'),r.started_at from r join piton.workflows w on w.current_version_id=r.version_id;
update piton.jobs j set state='running', attempt=1, worker_id=k.id, token=1, since=now() from (select id, row_number() over (order by id)-1 n from piton.workers where stopped_at is null) k
 where (j.run_id,j.id) in (select run_id,id from piton.jobs where state='ready' order by due_at limit 96) and k.n=j.run_id%3;

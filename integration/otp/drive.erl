#!/usr/bin/env escript
%% -*- erlang -*-
%%! +S 1:1 +A 1 -noshell -noinput
%% Plays scenarios on the stock supervisor of this Erlang and prints their traces:
%%
%%     escript drive.erl FILE...        for each FILE a line "# FILE" and its trace
%%
%% coppice/tree/treetest describes scenarios and traces. Nothing here decides what
%% a supervisor does. Three things make the traces exact:
%%
%% - Every process but the player is traced by the virtual machine, and the player
%%   is the tracer: its own mailbox is the record, in the order in which things
%%   happened, because there is one scheduler.
%% - A supervisor is at rest when it waits in gen_server:loop with an empty mailbox
%%   (one that waits for a child does so elsewhere), so that the player knows when
%%   a stimulus is done without waiting for a while.
%% - A start function returns only when the processes that it made to end are gone.
-module(drive).
-mode(compile).
-export([main/1, init/1, start_sup/1, start_worker/1, worker/2, log/2]).

%% ---------------------------------------------------------------- the player

main(Files) ->
    _ = logger:remove_handler(default),
    ok = logger:set_primary_config(level, error),
    ok = logger:add_handler(drive, ?MODULE, #{}),
    process_flag(trap_exit, true),
    register(player, self()),
    [begin io:format("# ~s~n", [F]), io:put_chars(play(F)) end || F <- Files],
    halt(0).

%% The table holds, for the scenario that is played:
%%     {{spec, Name}, Spec}   what a node is (see node/3); kids and known: of a supervisor
%%     {{known, Sup}, Names}  the children it ever had
%%     {{pid, Name}, Pid}     the latest incarnation
%%     {{name, Pid}, Name}    whose incarnation a pid was
%%     {{starts, Name}, N}    how often its start was attempted
play(File) ->
    {ok, Text} = file:read_file(File),
    ets:new(play, [named_table, public]),
    {Root, Stimuli} = read(lines(binary_to_list(Text))),
    put(root, Root),
    put(zero, zero(Stimuli)),
    Init = section("> init", [boot(Root)]),
    Trace = [Init | [stimulus(S) || S <- Stimuli]],
    clear(),
    ets:delete(play),
    Trace.

boot(Root) ->
    {Keeper, Ref} = spawn_monitor(fun keeper/0),
    put(keeper, Keeper),
    erlang:trace(Keeper, true, [procs, set_on_spawn]),
    Keeper ! {start, Root},
    receive
        {started, Answer} -> erlang:demonitor(Ref), rest(), Answer
    end.

%% The root's parent: the one that may ask it to stop.
keeper() ->
    process_flag(trap_exit, true),
    receive {start, Root} -> player ! {started, reply(start_sup(Root))} end,
    keeper_loop().

keeper_loop() ->
    receive
        {stop, Pid} -> exit(Pid, shutdown);
        _ -> ok
    end,
    keeper_loop().

clear() ->
    Pids = [P || [P] <- ets:match(play, {{name, '$1'}, '_'})],
    [exit(P, kill) || P <- [get(keeper) | Pids]],
    [wait_gone(P) || P <- [get(keeper) | Pids]],
    _ = record(),
    ok.

%% Time 0 is a whole second of the clock that supervisor uses for its window.
zero(Stimuli) ->
    case [at || {_, {at, _}} <- Stimuli] of
        [] -> 0;
        _ ->
            Zero = (erlang:monotonic_time(second) + 1) * 1000,
            sleep_until(Zero),
            Zero
    end.

sleep_until(Ms) ->
    case Ms - erlang:monotonic_time(millisecond) of
        Left when Left > 0 -> timer:sleep(Left), sleep_until(Ms);
        _ -> ok
    end.

%% ---------------------------------------------------------------- stimuli

stimulus({Line, {batch, Items}}) ->
    Title = ["> ", Line | [["\n>> ", L] || {L, _} <- Items]],
    Answers = case sup_pid(concerns(element(2, hd(Items)))) of
                  none -> ["noproc" || _ <- Items];
                  Sup -> batch(Sup, [I || {_, I} <- Items])
              end,
    section(Title, Answers);
stimulus({Line, Stim}) ->
    Answers = single(Stim),
    rest(),
    section(["> ", Line], Answers).

%% All items are in the mailbox of Sup before it sees the first.
batch(Sup, Items) ->
    true = erlang:suspend_process(Sup),
    Pending = [post(Sup, I) || I <- Items],
    true = erlang:resume_process(Sup),
    rest(),
    [case P of
         {request, Id} -> collect(Id);
         Answer -> Answer
     end || P <- Pending].

post(Sup, Item) ->
    N = queue_length(Sup),
    {Answer, Posted} = post1(Sup, Item),
    Posted andalso wait_queue(Sup, N + 1),
    Answer.

post1(_, {exit, Name, How}) -> A = end_process(Name, How), {A, A =:= "ok"};
post1(Sup, shutdown) -> get(keeper) ! {stop, Sup}, {"ok", true};
post1(Sup, Call) -> {{request, gen_server:send_request(Sup, message(Call))}, true}.

collect(Id) ->
    case gen_server:receive_response(Id, 5000) of
        {reply, R} -> reply(R);
        {error, _} -> "noproc"
    end.

single({exit, Name, How}) -> [end_process(Name, How)];
single({at, Ms}) -> sleep_until(get(zero) + Ms), [];
single(shutdown) ->
    case sup_pid(get(root)) of
        none -> ok;
        Sup -> get(keeper) ! {stop, Sup}, wait_gone(Sup)
    end,
    [];
single({upgrade, Name, Flags, Kids}) ->
    case sup_pid(Name) of
        none -> ["noproc"];
        Sup -> [upgrade(Name, Sup, Flags, Kids)]
    end;
single(Call) ->
    case sup_pid(concerns(Call)) of
        none -> ["noproc"];
        Sup ->
            try gen_server:call(Sup, message(Call), infinity) of
                R -> [reply(R)]
            catch exit:_ -> ["noproc"]
            end
    end.

%% What supervisor's own functions of these names send.
message({start_child, Sup, Node}) -> {start_child, start_argument(Sup, Node)};
message({Verb, Sup, Name}) ->
    {Verb, case simple(Sup) of
               true -> lookup({pid, Name}, Name);
               false -> Name
           end}.

concerns(shutdown) -> get(root);
concerns({exit, Name, _}) ->
    case lookup({spec, Name}, none) of
        #{parent := P} -> P;
        none -> none
    end;
concerns(Call) -> element(2, Call).

%% The behaviour of a name is settled by its first mention.
start_argument(Sup, #{name := Name} = Node) ->
    know(Sup, [Name]),
    case simple(Sup) of
        true ->
            #{template := T} = lookup({spec, Sup}),
            settle(T#{name := Name, script := maps:get(script, Node)}),
            [Name];
        false ->
            settle(Node),
            child_spec(Node)
    end.

settle(#{name := Name} = Node) -> ets:insert_new(play, {{spec, Name}, Node}).

upgrade(Name, Sup, Flags, Kids) ->
    Before = ets:match_object(play, {{spec, '_'}, '_'}),
    Names = [maps:get(name, K) || K <- Kids],
    Old = lookup({spec, Name}),
    ets:insert(play, {{spec, Name}, Old#{flags := Flags, kids := Names}}),
    [ets:insert(play, {{spec, N}, changed(K)}) || #{name := N} = K <- Kids],
    ok = sys:suspend(Sup),
    Result = sys:change_code(Sup, ?MODULE, old, []),
    ok = sys:resume(Sup),
    case Result of
        ok -> know(Name, Names), "ok";
        {error, _} -> ets:insert(play, Before), "error bad_spec"
    end.

%% A kept supervisor has its own flags and children as before.
changed(#{kind := sup, name := Name} = New) ->
    maps:merge(lookup({spec, Name}), maps:with([restart, significant, shutdown], New));
changed(New) -> New.

%% A process ends by itself, or is killed.
end_process(Name, How) ->
    case alive({pid, Name}) of
        none -> "not_running";
        Pid -> end_pid(Pid, How), "ok"
    end.

end_pid(Pid, kill) -> exit(Pid, kill), wait_gone(Pid);
end_pid(Pid, How) -> Pid ! {finish, How}, wait_gone(Pid).

wait_gone(Pid) ->
    Ref = monitor(process, Pid),
    receive {'DOWN', Ref, _, _, _} -> ok end.

%% ---------------------------------------------------------------- at rest

rest() ->
    case lists:all(fun at_rest/1, living()) andalso lists:all(fun at_rest/1, living()) of
        true -> ok;
        false ->
            case busy_only_waiting() of
                true -> timer:sleep(1);
                false -> erlang:yield()
            end,
            rest()
    end.

living() ->
    erlang:yield(),
    [P || [P] <- ets:match(play, {{name, '$1'}, '_'}), is_process_alive(P)].

at_rest(Pid) ->
    case process_info(Pid, [status, message_queue_len, current_function]) of
        [{_, waiting}, {_, 0}, {_, {M, F, _}}] ->
            {M, F} =:= {gen_server, loop} orelse {M, F} =:= {?MODULE, worker};
        _ -> false
    end.

%% Somebody waits for a timeout: yielding would burn the processor.
busy_only_waiting() ->
    lists:all(fun(P) -> process_info(P, status) =:= {status, waiting} end, living()).

queue_length(Pid) -> {_, N} = process_info(Pid, message_queue_len), N.

wait_queue(Pid, N) ->
    case queue_length(Pid) >= N of
        true -> ok;
        false -> erlang:yield(), wait_queue(Pid, N)
    end.

%% ---------------------------------------------------------------- the trace

section(Title, Answers) ->
    [Title, "\n",
     [[L, "\n"] || L <- ordered(record())],
     [["reply ", A, "\n"] || A <- Answers],
     "state ", state(), "\n"].

%% The mailbox up to now, as lines {Pool | none, Text}.
record() ->
    Ref = erlang:trace_delivered(all),
    receive {trace_delivered, all, Ref} -> ok end,
    record([]).

record(Lines) ->
    receive
        {line, Text} -> record([{none, Text} | Lines]);
        {trace, Pid, exit, Reason} ->
            case lookup({name, Pid}, none) of
                none -> record(Lines);
                Name -> record([gone(Name, Reason) | Lines])
            end;
        {trace, _, _, _} -> record(Lines);
        {trace, _, _, _, _} -> record(Lines)
    after 0 -> lists:reverse(Lines)
    end.

gone(Name, Reason) ->
    case lookup({spec, Name}) of
        #{kind := sup} -> {none, ["sup_stop ", atom_to_list(Name), " ", class(Reason)]};
        #{parent := Sup} ->
            Text = lists:flatten(["stop ", atom_to_list(Name), " ", class(Reason)]),
            {case simple(Sup) of true -> Sup; false -> none end, Text}
    end.

class({shutdown, {failed_to_start_child, _, _}}) -> "init_failed";
class({shutdown, _}) -> "shutdown";
class({bad_combination, _}) -> "bad_spec";
class({start_spec, _}) -> "bad_spec";
class({supervisor_data, _}) -> "bad_spec";
class(Reason) when is_atom(Reason) -> atom_to_list(Reason);
class(Reason) -> io_lib:format("~w", [Reason]).

%% Dynamic children are stopped in parallel: each run of stops of one pool is sorted.
ordered([]) -> [];
ordered([{none, T} | Rest]) -> [T | ordered(Rest)];
ordered([{Pool, _} | _] = All) ->
    {Run, Rest} = lists:splitwith(fun({P, _}) -> P =:= Pool end, All),
    lists:sort([T || {_, T} <- Run]) ++ ordered(Rest).

state() ->
    case sup_pid(get(root)) of
        none -> "dead";
        _ -> lists:join(" ", state(get(root)))
    end.

state(Sup) ->
    case sup_pid(Sup) of
        none -> [];
        Pid ->
            Children = children(Sup, supervisor:which_children(Pid)),
            C = maps:from_list(supervisor:count_children(Pid)),
            Names = [N || {N, _} <- Children],
            Gone = [[atom_to_list(N), ":absent"] || N <- lookup({known, Sup}), not lists:member(N, Names)],
            [io_lib:format("~s(~s~s~s)[~b/~b/~b/~b]",
                           [Sup,
                            lists:join(",", [[atom_to_list(N), $:, status(P)] || {N, P} <- Children]),
                            [$; || Gone =/= []], lists:join(",", Gone),
                            maps:get(specs, C), maps:get(active, C),
                            maps:get(supervisors, C), maps:get(workers, C)])
             | lists:append([state(N) || {N, P} <- Children, is_pid(P), kind(N) =:= sup])]
    end.

children(Sup, Which) ->
    case simple(Sup) of
        true -> lists:sort([{lookup({name, P}, restarting), P} || {_, P, _, _} <- Which]);
        false -> lists:reverse([{N, P} || {N, P, _, _} <- Which])
    end.

status(P) when is_pid(P) -> "running";
status(undefined) -> "stopped";
status(restarting) -> "restarting".

reply(ok) -> "ok";
reply({ok, undefined}) -> "ok undefined";
reply({ok, _}) -> "ok";
reply({error, {already_started, _}}) -> "error already_started";
reply({error, {bad_combination, _}}) -> "error bad_combination";
reply({error, Word}) when is_atom(Word) -> ["error ", atom_to_list(Word)];
reply({error, _}) -> "error start_failed".

%% supervisor says why it gives up only to the log; this runs in its process.
log(#{msg := {report, #{label := {supervisor, shutdown}, report := Report}}}, _) ->
    case proplists:get_value(reason, Report) of
        reached_max_restart_intensity ->
            player ! {line, ["max_intensity ", atom_to_list(lookup({name, self()}))]};
        _ -> ok
    end;
log(_, _) -> ok.

%% ---------------------------------------------------------------- supervisors

start_sup(Name) ->
    case supervisor:start_link(?MODULE, Name) of
        {ok, Pid} -> {ok, Pid};
        Error ->
            %% the error is told before the process is gone
            wait_gone(lookup({pid, Name})),
            Error
    end.

%% Also called by an upgrade, then not as a new process.
init(Name) ->
    ets:insert_new(play, {{name, self()}, Name})
        andalso begin
                    ets:insert(play, {{pid, Name}, self()}),
                    player ! {line, ["sup_start ", atom_to_list(Name)]}
                end,
    case lookup({spec, Name}) of
        #{flags := Flags, template := T} when T =/= none -> {ok, {Flags, [child_spec(T)]}};
        #{flags := Flags, kids := Kids} ->
            {ok, {Flags, [child_spec(lookup({spec, K})) || K <- Kids]}}
    end.

child_spec(#{kind := Kind, name := Name} = Node) ->
    (maps:with([restart, shutdown, significant], Node))
        #{id => Name, modules => [?MODULE],
          type => case Kind of sup -> supervisor; worker -> worker end,
          start => case {Kind, Name} of
                       {sup, _} -> {?MODULE, start_sup, [Name]};
                       {worker, template} -> {?MODULE, start_worker, []};
                       {worker, _} -> {?MODULE, start_worker, [Name]}
                   end}.

%% ---------------------------------------------------------------- workers

%% In the supervisor's process, as every start function.
start_worker(Name) ->
    K = ets:update_counter(play, {starts, Name}, 1, {{starts, Name}, 0}),
    #{script := Script} = lookup({spec, Name}),
    {Answer, Push} = start_line(K, maps:get(starts, Script)),
    push(Push),
    case Answer of
        fail -> player ! {line, ["start_fail ", atom_to_list(Name)]}, {error, start_failed};
        ignore -> player ! {line, ["start_ignore ", atom_to_list(Name)]}, ignore;
        _ ->
            Pid = start_process(Name, Script),
            Answer =:= ok orelse end_pid(Pid, Answer),
            {ok, Pid}
    end.

start_process(Name, Script) ->
    Sup = self(),
    Pid = spawn_link(fun() ->
                             process_flag(trap_exit, true),
                             Sup ! {self(), up},
                             worker(Sup, Script)
                     end),
    receive {Pid, up} -> ok end,
    ets:insert(play, [{{name, Pid}, Name}, {{pid, Name}, Pid}]),
    player ! {line, ["start ", atom_to_list(Name)]},
    Pid.

start_line(_, []) -> {ok, none};
start_line(_, [{Answer, true, Push} | _]) -> {Answer, Push};
start_line(1, [{Answer, false, Push} | _]) -> {Answer, Push};
start_line(K, [_ | Rest]) -> start_line(K - 1, Rest).

push(none) -> ok;
push({How, Other}) -> end_process(Other, How).

worker(Sup, #{stop := Stop, onstop := Push} = Script) ->
    receive
        {finish, How} -> exit(How);
        {'EXIT', Sup, shutdown} when Stop =/= ignore -> push(Push), exit(Stop);
        _ -> worker(Sup, Script)
    end.

%% ---------------------------------------------------------------- the table

lookup(Key) -> ets:lookup_element(play, Key, 2).

lookup(Key, Otherwise) ->
    case ets:lookup(play, Key) of
        [{_, Value}] -> Value;
        [] -> Otherwise
    end.

alive(Key) ->
    case lookup(Key, none) of
        none -> none;
        Pid ->
            case is_process_alive(Pid) andalso kind(lookup({name, Pid})) of
                worker -> Pid;
                _ -> none
            end
    end.

sup_pid(Name) ->
    case lookup({pid, Name}, none) of
        none -> none;
        Pid ->
            case is_process_alive(Pid) of
                true -> Pid;
                false -> none
            end
    end.

kind(Name) -> maps:get(kind, lookup({spec, Name})).

simple(Sup) ->
    case lookup({spec, Sup}, none) of
        #{flags := #{strategy := simple_one_for_one}} -> true;
        _ -> false
    end.

know(Sup, Names) ->
    Old = lookup({known, Sup}),
    ets:insert(play, {{known, Sup}, Old ++ [N || N <- Names, not lists:member(N, Old)]}).

%% ---------------------------------------------------------------- reading

lines(Text) ->
    [L || L0 <- string:split(Text, "\n", all),
          L <- [string:trim(hd(string:split(L0, "#")))], L =/= ""].

read(["otp-scenario 1" | Lines]) ->
    {Declarations, [_ | Rest]} = lists:splitwith(fun(L) -> L =/= "do" end, Lines),
    [Root | _] = [N || D <- Declarations, N <- declare(string:lexemes(D, " "))],
    {Root, stimuli(Rest)}.

%% The name, of a supervisor without a parent only.
declare(["template", Sup | Words]) ->
    S = lookup({spec, list_to_atom(Sup)}),
    ets:insert(play, {{spec, list_to_atom(Sup)}, S#{template := node(worker, "template", ["parent=" ++ Sup | Words])}}),
    [];
declare([Kind, Word | Words]) ->
    #{name := Name, parent := Parent} = Node = node(list_to_atom(Kind), Word, Words),
    ets:insert(play, {{spec, Name}, Node}),
    ets:insert(play, {{known, Name}, []}),
    case Parent of
        none -> [Name];
        _ ->
            #{kids := Kids} = P = lookup({spec, Parent}),
            ets:insert(play, {{spec, Parent}, P#{kids := Kids ++ [Name]}}),
            know(Parent, [Name]),
            []
    end.

node(Kind, Name, Words) ->
    O = options(Words),
    Get = fun(Key, Otherwise) -> maps:get(Key, O, Otherwise) end,
    Base = #{kind => Kind, name => list_to_atom(Name),
             parent => list_to_atom(Get("parent", "none")),
             restart => list_to_atom(Get("restart", "permanent")),
             significant => list_to_atom(Get("significant", "false"))},
    case Kind of
        sup -> Base#{shutdown => shutdown(Get("shutdown", "infinity")),
                     flags => flags(Words), kids => [], template => none};
        worker -> Base#{shutdown => shutdown(Get("shutdown", "5000")),
                        script => #{starts => [start_word(W) || W <- string:lexemes(Get("starts", ""), ",")],
                                    stop => list_to_atom(Get("stop", "shutdown")),
                                    onstop => push_word(Get("onstop", "none"))}}
    end.

flags(Words) ->
    O = options(Words),
    #{strategy => list_to_atom(maps:get("strategy", O, "one_for_one")),
      intensity => list_to_integer(maps:get("intensity", O, "1")),
      period => list_to_integer(maps:get("period", O, "5")),
      auto_shutdown => list_to_atom(maps:get("auto_shutdown", O, "never"))}.

options(Words) -> maps:from_list([list_to_tuple(string:split(W, "=")) || W <- Words]).

shutdown("infinity") -> infinity;
shutdown("brutal_kill") -> brutal_kill;
shutdown(Ms) -> list_to_integer(Ms).

start_word(Word) ->
    {Base, Push} = case string:split(Word, "+") of
                       [B] -> {B, none};
                       [B, P] -> {B, push_word(P)}
                   end,
    [Answer | Star] = string:split(Base, "*"),
    {list_to_atom(Answer), Star =/= [], Push}.

push_word("none") -> none;
push_word(Word) ->
    [How, Other] = string:split(Word, ":"),
    {list_to_atom(How), list_to_atom(Other)}.

stimuli([]) -> [];
stimuli(["batch" = L | Rest]) ->
    {Items, [_ | Next]} = lists:splitwith(fun(X) -> X =/= "end" end, Rest),
    [{L, {batch, [{I, stim(string:lexemes(I, " "))} || I <- Items]}} | stimuli(Next)];
stimuli(["upgrade " ++ _ = L | Rest]) ->
    ["upgrade", Sup | Words] = string:lexemes(L, " "),
    {Kids, [_ | Next]} = lists:splitwith(fun(X) -> X =/= "end" end, Rest),
    Stim = {upgrade, list_to_atom(Sup), flags(Words), [kid(Sup, string:lexemes(K, " ")) || K <- Kids]},
    [{L, Stim} | stimuli(Next)];
stimuli([L | Rest]) -> [{L, stim(string:lexemes(L, " "))} | stimuli(Rest)].

kid(Sup, ["keepsup", Name | Words]) -> node(sup, Name, ["parent=" ++ Sup | Words]);
kid(Sup, ["worker", Name | Words]) -> node(worker, Name, ["parent=" ++ Sup | Words]).

stim(["exit", Name, How]) -> {exit, list_to_atom(Name), list_to_atom(How)};
stim(["at", Ms]) -> {at, list_to_integer(Ms)};
stim(["shutdown"]) -> shutdown;
stim(["start_child", Sup, Name | Words]) ->
    {start_child, list_to_atom(Sup), node(worker, Name, ["parent=" ++ Sup | Words])};
stim([Verb, Sup, Name]) -> {list_to_atom(Verb), list_to_atom(Sup), list_to_atom(Name)}.

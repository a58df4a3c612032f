"""What happens to a message on Redis in one step.

Each script begins by removing something: one that has begun to write is let through however full Redis is.
"""

#: KEYS: the unacknowledged messages by tag, their index by time, the queues, the most urgent first. ARGV: the
#: time, the length of the keys' prefix. Returns the queue's place, the message and its tag; what is none of
#: kombu's messages is given one.
TAKE = """
for place = 3, #KEYS do
    local message = redis.call('RPOP', KEYS[place])
    if message then
        local readable, properties = pcall(function() return cjson.decode(message).properties end)
        local info = readable and type(properties) == 'table' and properties.delivery_info
        local tag, noted
        if type(info) == 'table' and type(info.exchange) == 'string' and type(info.routing_key) == 'string'
            and type(properties.delivery_tag) == 'string'
        then
            tag = properties.delivery_tag
            noted = message .. ',' .. cjson.encode(info.exchange) .. ',' .. cjson.encode(info.routing_key)
        else
            tag = redis.sha1hex(message)
            noted = cjson.encode(message) .. ',"",' .. cjson.encode(string.sub(KEYS[place], ARGV[2] + 1))
        end
        redis.call('ZADD', KEYS[2], ARGV[1], tag)
        redis.call('HSET', KEYS[1], tag, '[' .. noted .. ']')
        return {place - 3, message, tag}
    end
end
"""
#: KEYS: as above, then the queues that get the message, if any. ARGV: its tag, the message, the command that
#: adds it. Does nothing if it is no longer held: somebody else has acknowledged it or given it back.
MOVE = """
redis.call('ZREM', KEYS[2], ARGV[1])
if redis.call('HDEL', KEYS[1], ARGV[1]) == 1 then
    for place = 3, #KEYS do
        redis.call(ARGV[3], KEYS[place], ARGV[2])
    end
end
"""

-- Sends every CT series to Osteon once it is complete, and labels studies: "osteon-sent" once a series was sent,
-- "osteon-result" once a result came back. Results are not CT and are not sent.
local function label(seriesId, name)
  local study = ParseJson(RestApiGet("/series/" .. seriesId .. "/study"))["ID"]
  RestApiPut("/studies/" .. study .. "/labels/" .. name, "")
end

function OnStableSeries(seriesId, tags, metadata)
  if metadata["RemoteAET"] == "OSTEON" then
    label(seriesId, "osteon-result")
  elseif tags["Modality"] == "CT" then
    -- SendToModality accepts instances only. Asynchronous, because Orthanc waits for this function
    RestApiPost("/modalities/osteon/store", '{"Resources": ["' .. seriesId .. '"], "Asynchronous": true}')
    label(seriesId, "osteon-sent")
  end
end

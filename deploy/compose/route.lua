-- Sends every series of CT to Osteon when it has come whole; results, which are no CT, stay where they are.
function OnStableSeries(seriesId, tags, metadata)
  if tags["Modality"] == "CT" and metadata["RemoteAET"] ~= "OSTEON" then
    -- SendToModality takes instances only; in the background, as Orthanc waits for this function
    RestApiPost("/modalities/osteon/store", '{"Resources": ["' .. seriesId .. '"], "Asynchronous": true}')
  end
end

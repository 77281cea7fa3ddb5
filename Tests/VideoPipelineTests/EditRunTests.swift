import OnnxRuntime
import Testing
import VideoPipeline

@Suite struct EditRunTests {
  let match: AdapterMatch
  let source: Video

  init() throws {
    let library = try AdapterLibrary(folder: "\(Fixture.package)/Adapters")
    match = try #require(try library.recognise(AdapterTests.editor()))
    let rate = try #require(FrameRate(25, 1))
    source = try #require(Video(frames: 2, height: 8, width: 16, values: (0..<768).map { Float($0) / 768 }, rate: rate))
  }

  /// A model that turns noise into the source: the run has to give the source back, with the inputs as they should be.
  @Test func theModelGetsItsInputsAndTheVideoComesOut() throws {
    let run = try EditRun(match, source: source, condition: 7, seed: 9, steps: 4)
    var times: [Float] = []
    let result = try run.run { call in
      #expect(call.inputs.keys.sorted() == ["edit", "sample", "source", "timestep"])
      #expect(call.inputs["edit"] == (try Tensor([7] as [Int64], shape: [1])))
      #expect(call.inputs["source"] == (try Tensor(source.values, shape: [1, 3, 2, 8, 16])))
      #expect(call.output == "velocity")
      #expect(call.point == nil)
      times += call.inputs["timestep"]?.floats ?? []
      return try Tensor(zip(run.noise, source.values).map { $0 - $1 }, shape: source.shape)
    }
    #expect(times == [1, 0.75, 0.5, 0.25])
    #expect(result.stepSeconds.count == 4)
    #expect(result.video?.rate == source.rate)
    let video = try #require(result.video)
    #expect(try #require(Difference.largest(video.values, source.values)) < 1e-5)
    #expect(run.noise == Noise.normal(count: 768, seed: 9))
  }

  @Test func operatingPointsFollowTheSchedule() throws {
    let run = try EditRun(
      match, source: source, condition: 0, seed: 0, steps: 4, points: PointSchedule(quality: 1, phases: 2))
    var points: [Int64] = []
    _ = try run.run { call in
      points += call.inputs[EditRun.pointInput]?.integers ?? []
      #expect(call.inputs[EditRun.pointInput]?.shape == [])
      return try Tensor([Float](repeating: 0, count: 768), shape: source.shape)
    }
    #expect(points == [2, 2, 3, 3])
  }

  @Test func halfPrecisionModelsGetHalfPrecision() throws {
    var interface = AdapterTests.editor()
    for index in 0..<3 { interface.inputs[index].type = .float16 }
    interface.outputs[0].type = .float16
    let run = try EditRun(match.adapter.match(interface), source: source, condition: 0, seed: 0, steps: 1)
    let result = try run.run { call in
      #expect(call.inputs["sample"]?.elementType == .float16)
      #expect(call.inputs["timestep"]?.elementType == .float16)
      #expect(call.inputs["edit"]?.elementType == .int64)
      return try Tensor(floats: run.noise, shape: source.shape, as: .float16)
    }
    // x − float16(x)
    #expect(result.values.allSatisfy { abs($0) < 4 / 1024 })
  }

  @Test func pixelsGoThroughTheModelsRange() throws {
    var adapter = match.adapter
    adapter.pixels.black = 0
    let run = try EditRun(adapter.match(AdapterTests.editor()), source: source, condition: 0, seed: 0, steps: 2)
    let result = try run.run { call in
      let given = call.inputs["source"]?.floats ?? []
      #expect(zip(given, source.values).allSatisfy { abs($0 - ($1 + 1) / 2) < 1e-6 })
      return try Tensor(zip(run.noise, given).map { $0 - $1 }, shape: source.shape)
    }
    let video = try #require(result.video)
    #expect(try #require(Difference.largest(video.values, source.values)) < 1e-5)
  }

  @Test func whatDoesNotFitIsAnError() throws {
    let odd = try #require(Video(frames: 1, height: 8, width: 12, values: Array(repeating: 0, count: 288)))
    #expect(throws: AdapterError.self) { try EditRun(match, source: odd, condition: 0, seed: 0, steps: 1) }
    #expect(throws: SamplerError.steps(0)) { try EditRun(match, source: source, condition: 0, seed: 0, steps: 0) }
    #expect(throws: SamplerError.conditionMissing(adapter: "in-context-editor")) {
      try EditRun(match, source: source, condition: nil, seed: 0, steps: 1)
    }
    let run = try EditRun(match, source: source, condition: 0, seed: 0, steps: 1)
    #expect(throws: SamplerError.velocityShape(output: "velocity", expected: [1, 3, 2, 8, 16], actual: [768])) {
      try run.run { _ in try Tensor([Float](repeating: 0, count: 768), shape: [768]) }
    }
  }
}

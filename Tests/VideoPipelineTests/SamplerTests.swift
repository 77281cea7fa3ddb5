import Foundation
import OnnxRuntime
import Testing
import VideoPipeline

/// Schedules and trajectories against diffusers' schedulers (Tests/Fixtures/make_samplers.py), and what follows from the
/// definitions.
@Suite struct SamplerTests {
  struct Case: CustomTestStringConvertible, Sendable {
    var name: String
    var settings: SamplerSettings
    var fewest = 1
    var testDescription: String { name }
  }

  /// Tokens of the target in the cases whose shift depends on them.
  static let tokens = 1536

  static func flow(_ change: (inout FlowSettings) -> Void) -> SamplerSettings {
    var settings = FlowSettings()
    settings.timestepScale = 1000
    change(&settings)
    return .flow(settings)
  }

  static func ddim(_ change: (inout DDIMSettings) -> Void) -> SamplerSettings {
    var settings = DDIMSettings()
    change(&settings)
    return .ddim(settings)
  }

  static let cases = [
    Case(name: "flow-euler", settings: flow { _ in }),
    Case(name: "flow-euler-shift", settings: flow { $0.shift = .constant(7) }),
    Case(
      name: "flow-euler-tokens",
      settings: flow { $0.shift = .tokens(base: 0.5, largest: 1.15, baseTokens: 256, largestTokens: 4096) }),
    Case(
      name: "flow-euler-terminal",
      settings: flow {
        $0.shift = .tokens(base: 0.95, largest: 2.05, baseTokens: 1024, largestTokens: 4096)
        $0.terminal = 0.1
      }, fewest: 2),
    Case(
      name: "flow-euler-inverted",
      settings: flow {
        $0.spacing = .linearQuadratic
        $0.isInverted = true
      }, fewest: 2),
    Case(name: "flow-unipc", settings: uniPC(shift: 3)),
    Case(name: "flow-unipc-plain", settings: uniPC(shift: 1)),
    Case(
      name: "ddim-cogvideox",
      settings: ddim {
        $0.snrShift = 3
        $0.hasZeroTerminalSNR = true
        $0.spacing = .trailing
        $0.prediction = .v
      }),
    Case(
      name: "ddim-epsilon",
      settings: ddim {
        $0.endsClean = false
        $0.offset = 1
      }),
    Case(
      name: "ddim-linear",
      settings: ddim {
        ($0.betas, $0.betaStart, $0.betaEnd) = (.linear, 0.0001, 0.02)
        $0.prediction = .v
        $0.spacing = .linspace
      }),
  ]

  static func uniPC(shift: Double) -> SamplerSettings {
    flow {
      $0.solver = .uniPC
      $0.spacing = .training
      $0.shift = .constant(shift)
    }
  }

  /// The fixture's model: 0.6·x + 0.4·sin(2·x + t/1000) in float64, rounded to float32.
  static func toyModel(_ t: Float, _ x: [Float]) -> [Float] {
    x.map { Float(0.6 * Double($0) + 0.4 * sin(2 * Double($0) + Double(t) / 1000)) }
  }

  @Test(arguments: cases)
  func everyStepIsDiffusers(_ item: Case) throws {
    let fixture = try Npz.read(Fixture.path("samplers.npz"))
    let start = try #require(fixture["start"]).floats
    for steps in [1, 2, 7, 20] where steps >= item.fewest {
      var sampler = try Sampler(item.settings, steps: steps, tokens: Self.tokens)
      let timesteps = try #require(fixture["\(item.name)/\(steps)/timesteps"]).floats
      #expect(sampler.schedule.steps.count == timesteps.count)
      for (step, t) in zip(sampler.schedule.steps, timesteps) {
        #expect(abs(step.t - t) <= 1e-6 * 1000, "step \(step.index) of \(steps): \(step.t), not \(t)")
      }
      if let levels = fixture["\(item.name)/\(steps)/levels"]?.floats {
        let isInverted = item.name.hasSuffix("inverted")
        for (step, level) in zip(sampler.schedule.steps, levels) {
          #expect(abs(Float(isInverted ? 1 - step.level : step.level) - level) < 1e-6)
        }
      }
      let track = try #require(fixture["\(item.name)/\(steps)/x"]).floats
      var x = start
      for step in sampler.schedule.steps {
        try sampler.advance(&x, output: Self.toyModel(step.t, x), at: step.index)
        let wanted = Array(track[step.index * x.count..<(step.index + 1) * x.count])
        let error = try #require(Difference.relativeL2(x, wanted))
        #expect(error < 4e-6, "after step \(step.index) of \(steps)")
      }
    }
  }

  /// With v = x the step is x·(1 − 1/n): the end is noise·(1 − 1/n)^n.
  @Test func eulerFollowsTheFlow() throws {
    let start = Noise.normal(count: 100, seed: 3)
    var x = start
    var sampler = try Sampler(.flowEuler, steps: 10)
    try sampler.run(&x) { _, x in x }
    let factor = (0..<10).reduce(1.0) { value, _ in value * 0.9 }
    for (end, begin) in zip(x, start) { #expect(abs(Double(end) - Double(begin) * factor) < 1e-6) }
  }

  /// A rectified flow's velocity noise − x0 leads to x0 in any number of steps, with any solver.
  @Test(arguments: [1, 3, 12], [SamplerSettings.flowEuler, uniPC(shift: 3)])
  func aStraightFlowEndsAtItsTarget(steps: Int, settings: SamplerSettings) throws {
    let noise = Noise.normal(count: 50, seed: 4)
    let target = Noise.normal(count: 50, seed: 5)
    var x = noise
    var sampler = try Sampler(settings, steps: steps)
    try sampler.run(&x) { _, _ in zip(noise, target).map { $0 - $1 } }
    // UniPC starts a training step or less below pure noise.
    let tolerance: Float = settings == .flowEuler ? 1e-5 : 1e-2
    for (end, wanted) in zip(x, target) { #expect(abs(end - wanted) < tolerance) }
  }

  @Test func timesGoDownFromOne() throws {
    var times: [Float] = []
    var done: [Int] = []
    var x: [Float] = [0]
    var sampler = try Sampler(.flowEuler, steps: 4)
    try sampler.run(&x) { step, x in
      times.append(step.t)
      return x
    } progress: {
      done.append($0.index)
    }
    #expect(times == [1, 0.75, 0.5, 0.25])
    #expect(done == [0, 1, 2, 3])
    // numpy: float32(1 - 5/12)
    #expect(try Schedule(.flowEuler, steps: 12).steps[5].t == 0.5833333)
  }

  @Test func phasesAreEqualPartsOfTheSchedule() throws {
    let twelve = try Schedule(.flowEuler, steps: 12).steps
    #expect(twelve.map { $0.phase(of: 3) } == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2])
    #expect(try Schedule(.flowEuler, steps: 2).steps.map { $0.phase(of: 4) } == [0, 2])
    let schedule = try #require(PointSchedule(quality: 2, phases: 3))
    #expect(schedule.point(twelve[11]) == 8)
    #expect(PointSchedule(quality: -1, phases: 1) == nil)
    #expect(PointSchedule(quality: 0, phases: 0) == nil)
  }

  @Test func whatIsNotFiniteStopsTheRun() throws {
    var x: [Float] = [1, 2]
    var sampler = try Sampler(.flowEuler, steps: 5)
    #expect(throws: SamplerError.notFinite(step: 2)) {
      try sampler.run(&x) { step, x in step.index == 2 ? [.nan, 0] : x }
    }
  }

  @Test func badModelsAndStepsAreErrors() throws {
    var x: [Float] = [1, 2]
    var sampler = try Sampler(.flowEuler, steps: 5)
    #expect(throws: SamplerError.velocityCount(step: 0, expected: 2, actual: 1)) {
      try sampler.run(&x) { _, _ in [0] }
    }
    for steps in [0, -1, 10_001] {
      #expect(throws: SamplerError.steps(steps)) { try Sampler(.flowEuler, steps: steps) }
    }
    #expect(throws: SamplerError.tooManySteps(1001, limit: 1000)) {
      try Sampler(.ddim(DDIMSettings()), steps: 1001)
    }
  }
}

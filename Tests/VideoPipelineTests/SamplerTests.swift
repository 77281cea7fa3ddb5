import Testing
import VideoPipeline

@Suite struct SamplerTests {
  /// With v = x the step is x·(1 − 1/n): the end is noise·(1 − 1/n)^n.
  @Test func eulerFollowsTheFlow() throws {
    let start = Noise.normal(count: 100, seed: 3)
    var x = start
    try Sampler.run(.flowEuler, steps: 10, x: &x) { _, x in x }
    let factor = (0..<10).reduce(1.0) { value, _ in value * 0.9 }
    for (end, begin) in zip(x, start) { #expect(abs(Double(end) - Double(begin) * factor) < 1e-6) }
  }

  /// A rectified flow's velocity noise − x0 leads to x0 in any number of steps.
  @Test(arguments: [1, 3, 12])
  func aStraightFlowEndsAtItsTarget(steps: Int) throws {
    let noise = Noise.normal(count: 50, seed: 4)
    let target = Noise.normal(count: 50, seed: 5)
    var x = noise
    try Sampler.run(.flowEuler, steps: steps, x: &x) { _, _ in zip(noise, target).map { $0 - $1 } }
    for (end, wanted) in zip(x, target) { #expect(abs(end - wanted) < 1e-5) }
  }

  @Test func timesGoDownFromOne() throws {
    var times: [Float] = []
    var done: [Int] = []
    var x: [Float] = [0]
    try Sampler.run(.flowEuler, steps: 4, x: &x) { step, x in
      times.append(step.t)
      return x
    } progress: {
      done.append($0.index)
    }
    #expect(times == [1, 0.75, 0.5, 0.25])
    #expect(done == [0, 1, 2, 3])
    // numpy: float32(1 - 5/12)
    #expect(SamplerStep(index: 5, of: 12).t == 0.5833333)
  }

  @Test func phasesAreEqualPartsOfTheSchedule() throws {
    let phases = (0..<12).map { SamplerStep(index: $0, of: 12).phase(of: 3) }
    #expect(phases == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2])
    #expect((0..<2).map { SamplerStep(index: $0, of: 2).phase(of: 4) } == [0, 2])
    let schedule = try #require(PointSchedule(quality: 2, phases: 3))
    #expect(schedule.point(SamplerStep(index: 11, of: 12)) == 8)
    #expect(PointSchedule(quality: -1, phases: 1) == nil)
    #expect(PointSchedule(quality: 0, phases: 0) == nil)
  }

  @Test func whatIsNotFiniteStopsTheRun() {
    var x: [Float] = [1, 2]
    #expect(throws: SamplerError.notFinite(step: 2)) {
      try Sampler.run(.flowEuler, steps: 5, x: &x) { step, x in step.index == 2 ? [.nan, 0] : x }
    }
  }

  @Test func badModelsAndStepsAreErrors() {
    var x: [Float] = [1, 2]
    #expect(throws: SamplerError.velocityCount(step: 0, expected: 2, actual: 1)) {
      try Sampler.run(.flowEuler, steps: 5, x: &x) { _, _ in [0] }
    }
    for steps in [0, -1, 10_001] {
      #expect(throws: SamplerError.steps(steps)) { try Sampler.run(.flowEuler, steps: steps, x: &x) { _, x in x } }
    }
  }
}

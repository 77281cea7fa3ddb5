import AttentionPatterns
import Foundation
import ISAPatch
import ONNXGraph
import OnnxRuntime
import SparseAttention
import TestSupport
import Testing

@Suite struct InstrumentationTests {
  private let folder: Folder
  private let patched: String

  init() throws {
    folder = try Folder()
    let model = try folder.write("m.onnx", AttentionModel().with(\.tokens, 192).model.bytes)
    patched = "\(folder.path)/m.isa.onnx"
    _ = try PatchJob(
      .init(model: model, output: patched, mode: .paper, selection: SiteSelection(minTokens: 1))
    ).run()
  }

  private var name: String {
    get throws { try #require(try InspectJob(model: patched).run().sites.first?.name) }
  }

  @Test func statisticsAreOneMoreOutputOfEachSite() throws {
    let model = try Model.load(bytes: try Instrumentation.withStatistics(path: patched), path: patched)
    let output = try #require(model.graph.outputs.last)
    #expect(output.name == "isa.statistics/\(try name)")
    #expect(output.shape?.count == 3 && output.shape?.last??.value == 4)
    #expect(model.graph.outputs.count == 2)
    #expect(model.index.producer(of: output.name)?.opType == "InContextSparseAttention")
    // Asked for twice, they are there once.
    let again = try folder.write("again.onnx", try Instrumentation.withStatistics(path: patched))
    #expect(try Model.load(bytes: try Instrumentation.withStatistics(path: again), path: again).graph.outputs.count == 2)
  }

  @Test func aSiteMadeExactIsSparseNoMore() throws {
    let site = try name
    #expect(try Instrumentation.sparseSites(path: patched) == [site])
    let exact = try folder.write("exact.onnx", try Instrumentation.withExact(site: site, path: patched))
    #expect(try Instrumentation.sparseSites(path: exact) == [])
    let other = try folder.write("other.onnx", try Instrumentation.withExact(site: "none", path: patched))
    #expect(try Instrumentation.sparseSites(path: other) == [site])
    let same = try folder.write("same.onnx", try Instrumentation.withExact(site: nil, path: patched))
    #expect(try Instrumentation.sparseSites(path: same) == [site])
  }

  @Test func theFileStaysAsItIs() throws {
    let before = bytes(patched)
    _ = try Instrumentation.withStatistics(path: patched)
    _ = try Instrumentation.withExact(site: nil, path: patched)
    #expect(bytes(patched) == before)
    #expect(failure { _ = try Instrumentation.withStatistics(path: "\(folder.path)/none") }?.status == .noInput)
  }
}

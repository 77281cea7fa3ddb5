import Foundation
import ISAPatch
import Testing

@Suite struct AtomicFileTests {
  private let folder: Folder
  init() throws { folder = try Folder() }

  @Test func aNewFileAndOneInItsPlace() throws {
    let path = "\(folder.path)/a.bin"
    for content in [[1, 2, 3], [], [UInt8](repeating: 9, count: 100_000)] as [[UInt8]] {
      try AtomicFile.write(content, to: path)
      #expect(bytes(path) == content)
      #expect(folder.contents == ["a.bin"])
    }
  }

  /// Whoever has the old file open goes on reading the old one.
  @Test func readersOfTheOldFileKeepIt() throws {
    let path = try folder.write("a.bin", [1, 2, 3])
    let reader = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
    try AtomicFile.write([4] as [UInt8], to: path)
    #expect(try reader.readToEnd() == Data([1, 2, 3]))
    #expect(bytes(path) == [4])
  }

  @Test func itsModeFollowsTheUmask() throws {
    let path = "\(folder.path)/a.bin"
    try AtomicFile.write([1] as [UInt8], to: path)
    let plain = try folder.write("b.bin", [1])
    let attributes = try [path, plain].map { try FileManager.default.attributesOfItem(atPath: $0) }
    #expect(attributes[0][.posixPermissions] as? Int == attributes[1][.posixPermissions] as? Int)
  }

  /// What is no regular file stays, and nothing is left beside it.
  @Test func foldersPipesAndMissingFolders() throws {
    try FileManager.default.createDirectory(atPath: "\(folder.path)/sub", withIntermediateDirectories: false)
    #expect(mkfifo("\(folder.path)/pipe", 0o600) == 0)
    for name in ["sub", "pipe", "none/a.bin"] {
      #expect(failure { try AtomicFile.write([1] as [UInt8], to: "\(folder.path)/\(name)") }?.status == .cannotCreate)
      #expect(failure { try AtomicFile.checkWritable("\(folder.path)/\(name)") }?.status == .cannotCreate)
      #expect(folder.contents == ["pipe", "sub"])
    }
  }

  /// A link to a file is replaced by the file; what it led to stays as it was.
  @Test func linksAreReplacedNotFollowed() throws {
    let other = try folder.write("other.bin", [5])
    let path = "\(folder.path)/a.bin"
    try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: other)
    try AtomicFile.write([1] as [UInt8], to: path)
    #expect(bytes(path) == [1])
    #expect(bytes(other) == [5])
  }

  @Test func temporaryNamesAreTheirOwnAndGoAgain() throws {
    let target = "\(folder.path)/\(String(repeating: "n", count: 200)).mp4"
    let names = (0..<10).map { _ in AtomicFile.temporaryPath(for: target) }
    #expect(Set(names).count == 10)
    for name in names {
      #expect(name.hasSuffix(".mp4") && name.hasPrefix("\(folder.path)/."))
      try Data([1]).write(to: URL(fileURLWithPath: name))
    }
    try AtomicFile.commit(names[0], to: target)
    for name in names.dropFirst() { AtomicFile.discard(name) }
    #expect(folder.contents == [URL(fileURLWithPath: target).lastPathComponent])
    #expect(failure { try AtomicFile.commit(names[1], to: target) }?.status == .cannotCreate)
  }

  @Test func checkingLeavesNothing() throws {
    try AtomicFile.checkWritable("\(folder.path)/a.bin")
    #expect(folder.contents.isEmpty)
  }

  @Test func manyWritersOfOneFile() async throws {
    let path = "\(folder.path)/a.bin"
    await withTaskGroup(of: Void.self) { group in
      for value in 0..<16 as Range<UInt8> {
        group.addTask { try? AtomicFile.write([UInt8](repeating: value, count: 10_000), to: path) }
      }
    }
    let content = try #require(bytes(path))
    #expect(content.count == 10_000 && Set(content).count == 1)
    #expect(folder.contents == ["a.bin"])
  }
}
